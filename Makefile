# Every command of the project, for people and for CI alike. `make` alone explains them.
# Nothing is assumed on the machine but Python 3.11 and make: each target prepares the environment that it needs.

# Which Python makes the environment.
PYTHON ?= python3
# Which tests to run: a folder, a file or a test, as pytest takes them.
T ?= tests
# How many processes run the tests: one more than processors, for those that start and kill programs wait half of the time.
N ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# The history that `make replay` plays.
LOG ?= tests/data/helpdesk_event_log_sample.csv
# The sentence that names a new migration.
M ?=
# More arguments for the command behind run, test, bench, replay, migrate or lock.
ARGS ?=

BIN := .venv/bin
CODE := src tests migrations bench tools
OPENAPI := openapi/openapi.json
OPERATOR := openapi/operator.json
COMPILE := uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	--custom-compile-command "make lock" --quiet

# The tests start the product about a hundred times: a third of each start went into compiling what nothing had changed.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint format types contracts check bench openapi openapi-drift migrate migrations revision routes \
	replay client lock clean python runtime environment

help: ## Show this list.
	@echo "Targets:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/' | \
		while IFS="$$(printf '\t')" read -r name text; do printf '  %-14s %s\n' "$$name" "$$text"; done
	@echo
	@echo "Variables:"
	@echo "  PYTHON=$(PYTHON)  the Python, 3.11 or newer, that makes the environment"
	@echo "  T=$(T)         what to test: make test T=tests/domain/test_sla.py"
	@echo "  N=$(N)          test processes: make test N=0 runs all in one, as a debugger needs it"
	@echo "  LOG=FILE        the history to replay: make replay LOG=history.csv"
	@echo "  M=SENTENCE      names a migration: make revision M='add asset types'"
	@echo "  ARGS=...        more arguments: make run ARGS='--port 8080', make lock ARGS='--upgrade'"

run: runtime ## Start the whole product here: PostgreSQL, Valkey, API and worker, with demo data. Ctrl-C stops it.
	@$(BIN)/helpdesk up $(ARGS)

test: environment ## Run the tests against real PostgreSQL and Valkey.
	@$(BIN)/python -m pytest -n $(N) --dist worksteal $(T) $(ARGS)

lint: environment ## Check style and formatting.
	@$(BIN)/ruff check $(wildcard $(CODE))
	@$(BIN)/ruff format --check $(wildcard $(CODE))

format: environment ## Put right what the linter can put right by itself.
	@$(BIN)/ruff check --fix-only $(wildcard $(CODE))
	@$(BIN)/ruff format $(wildcard $(CODE))

types: environment ## Check the types, strictly.
	@$(BIN)/mypy $(wildcard $(CODE))

contracts: environment ## Check that every import goes the way the layers allow.
	@$(BIN)/lint-imports

check: environment ## Run everything that must be green before a commit.
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint types contracts openapi-drift migrations
	@$(MAKE) --no-print-directory test

bench: environment ## Measure the product against a hand-written floor; prints ratios.
	@$(BIN)/python -m bench $(ARGS)

openapi: environment ## Write the OpenAPI documents anew from the code.
	@$(BIN)/helpdesk openapi > $(OPENAPI).new && mv $(OPENAPI).new $(OPENAPI)
	@$(BIN)/helpdesk openapi --operator > $(OPERATOR).new && mv $(OPERATOR).new $(OPERATOR)
	@echo "Wrote $(OPENAPI) and $(OPERATOR)."

openapi-drift: environment
	@echo "Comparing $(OPENAPI) and $(OPERATOR) with the code ..."
	@{ $(BIN)/helpdesk openapi | diff --unified $(OPENAPI) - && \
		$(BIN)/helpdesk openapi --operator | diff --unified $(OPERATOR) -; } || \
		{ echo "A committed OpenAPI document is not what the code says. Run 'make openapi' and commit it."; exit 1; }

migrate: environment ## Bring the database of HELPDESK_MIGRATION_DATABASE_URL up to date.
	@$(BIN)/helpdesk migrate $(ARGS)

migrations: environment ## Check the SQL of every migration for locks and other dangers to a running system.
	@$(BIN)/alembic upgrade head --sql > .venv/migrations.sql
	@$(BIN)/squawk .venv/migrations.sql

revision: environment ## Start a new, empty migration: make revision M='add asset types'.
	@test -n "$(M)" || { echo "Say what it does: make revision M='add asset types'"; exit 1; }
	@$(BIN)/alembic revision --message "$(M)" \
		--rev-id "$$(printf %04d $$(($$(ls migrations/versions/*.py | wc -l) + 1)))"

routes: environment ## List every route with its operation id.
	@$(BIN)/helpdesk openapi | $(BIN)/python tools/list_routes.py

replay: environment ## Play a help-desk history through the API and compare every ticket at the end.
	@test -r "$(LOG)" || { echo "There is no history to read at '$(LOG)'. Name one: make replay LOG=history.csv"; exit 1; }
	@$(BIN)/helpdesk replay "$(LOG)" $(ARGS)

client: environment ## Lint the document, compile a client and the TypeScript of the docs, sign in with a real provider.
	@$(BIN)/python tools/typescript_client.py check
	@$(BIN)/python -m pytest -q tests/contract/test_typescript_client.py tests/contract/test_real_identity_provider.py \
		tests/contract/test_javascript_webhooks.py

lock: environment ## Compile the requirement locks from pyproject.toml; ARGS='--upgrade' takes newer versions.
	@$(BIN)/$(COMPILE) $(ARGS) pyproject.toml -o requirements/base.txt
	@$(BIN)/$(COMPILE) $(ARGS) -c requirements/base.txt pyproject.toml --extra embedded -o requirements/embedded.txt
	@$(BIN)/$(COMPILE) $(ARGS) -c requirements/embedded.txt pyproject.toml --extra embedded --group dev \
		-o requirements/dev.txt
	@$(BIN)/$(COMPILE) $(ARGS) -c requirements/dev.txt --group build -o requirements/build.txt
	@$(BIN)/python tools/typescript_client.py lock
	@echo "The locks are written; the next target that needs them installs them."

clean: ## Remove the environment and every cache; the data in .helpdesk stays.
	rm -rf .venv .venv.lock .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	rm -rf tools/client/node_modules tools/client/generated
	find src tests migrations bench tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

python:
	@command -v $(PYTHON) > /dev/null || { \
		echo "There is no $(PYTHON) here. helpdesk-api needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "helpdesk-api needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
		echo "If a newer one is installed, name it: make PYTHON=python3.12"; exit 1; }

runtime: python
	@$(PYTHON) tools/prepare_venv.py embedded

environment: python
	@$(PYTHON) tools/prepare_venv.py dev
