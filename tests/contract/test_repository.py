"""The rules of the repository that no other tool checks: size, reasons, locks, places and the commands that exist."""

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400
PROMISED_TARGETS = (
    "run",
    "test",
    "lint",
    "types",
    "check",
    "bench",
    "openapi",
    "migrate",
    "revision",
    "routes",
    "replay",
)
LOCKS = ("base", "embedded", "dev", "build")
NPM_LOCK = ROOT / "tools" / "client" / "package-lock.json"

# A rule in a list of pyproject.toml with a sentence that says why, such as `"D101", # Names say it.`
EXPLAINED_RULE = re.compile(r'^ +"([A-Z]+[0-9]+)", +# \S.+\.$', flags=re.MULTILINE)
SUPPRESSION = re.compile(
    r"# (?:noqa|type: ignore)\b(?!: [A-Z0-9, ]+ (?:-|#) \S)(?!\[[a-z-]+(?:, ?[a-z-]+)*\] +(?:-|#) +\S).*"
)
PLACE_OF_ONE_MACHINE = re.compile(r"(?<![\w.*}-])/(?:work|root|tmp|home/\w+|Users/\w+)/[\w.{]")
ADDRESS = re.compile(r"\w+://\S+|--(?:extra-)?index-url|--find-links")


def committed_files() -> Iterator[Path]:
    """Yield every file that belongs to the repository; told by .gitignore, because a copy may come without git."""
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line and line[0] != "#"}
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.name in ignored | {".git"} or path.relative_to(ROOT).as_posix() in ignored:
                continue
            if path.is_dir():
                folders.append(path)
            else:
                yield path


def read_text(path: Path) -> str:
    """Read a text file; what is not text reads as empty."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def pins(lock: str) -> dict[str, str]:
    """Read the name and version of every package in a lock."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, flags=re.MULTILINE))


def imported_modules(path: Path) -> set[str]:
    """Name the modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


FILES = list(committed_files())
PYTHON_FILES = [path for path in FILES if path.suffix == ".py"]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_no_source_file_is_longer_than_the_limit() -> None:
    sources = [*PYTHON_FILES, *(path for path in FILES if path.suffix in {".ts", ".sh"})]

    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in sources}

    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_the_domain_imports_nothing_but_the_standard_library() -> None:
    domain = ROOT / "src" / "helpdesk_api" / "domain"

    foreign = {
        (path.name, module)
        for path in domain.rglob("*.py")
        for module in imported_modules(path)
        if module.partition(".")[0] not in sys.stdlib_module_names and not module.startswith("helpdesk_api.domain")
    }

    assert foreign == set()


def test_a_migration_imports_nothing_from_the_package_whose_past_it_is() -> None:
    migrations = (ROOT / "migrations" / "versions").glob("*.py")

    attached = {path.name for path in migrations if any("helpdesk_api" in module for module in imported_modules(path))}

    assert attached == set()


def test_every_rule_that_ruff_ignores_gives_its_reason() -> None:
    ignored = PYPROJECT["tool"]["ruff"]["lint"]
    expected = [*ignored["ignore"], *(rule for rules in ignored["per-file-ignores"].values() for rule in rules)]

    explained = EXPLAINED_RULE.findall((ROOT / "pyproject.toml").read_text())

    assert sorted(explained) == sorted(expected)


def test_every_suppression_in_the_code_names_its_rule_and_its_reason() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in PYTHON_FILES
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (match := SUPPRESSION.search(line))
    ]

    assert bare == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_requirement_lock_holds_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    entries = [entry for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE) if "==" in entry]

    assert ADDRESS.findall(text) == []
    assert len(entries) == len(pins(lock)) > 0
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_of_the_typescript_client_holds_hashes_and_no_addresses() -> None:
    packages = json.loads(NPM_LOCK.read_text())["packages"]
    installed = {name: package for name, package in packages.items() if name}

    assert ADDRESS.findall(NPM_LOCK.read_text()) == []
    assert [name for name, package in installed.items() if "integrity" not in package] == []


def test_each_lock_holds_what_the_smaller_one_holds() -> None:
    base, embedded, dev, build = (pins(lock) for lock in LOCKS)

    assert base.items() <= embedded.items() <= dev.items()
    assert build.items() <= dev.items()


def test_the_locks_are_what_pyproject_asks_for() -> None:
    project = PYPROJECT["project"]
    groups = PYPROJECT["dependency-groups"]
    asked = {
        "base": project["dependencies"],
        "embedded": project["optional-dependencies"]["embedded"],
        "dev": [item for item in groups["dev"] if isinstance(item, str)],
        "build": groups["build"],
    }

    unmet = [
        (lock, line)
        for lock, lines in asked.items()
        for line in lines
        if not (wanted := Requirement(line)).specifier.contains(pins(lock).get(wanted.name, "0.dev0"))
    ]

    assert unmet == []
    assert PYPROJECT["build-system"]["requires"] == groups["build"]


def test_no_file_names_a_place_of_one_machine() -> None:
    outside_tests = [path for path in FILES if "tests" not in path.relative_to(ROOT).parts]

    named = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in outside_tests
        for number, line in enumerate(read_text(path).splitlines(), start=1)
        if (match := PLACE_OF_ONE_MACHINE.search(line))
    ]

    assert named == []


@pytest.mark.parametrize("target", PROMISED_TARGETS)
def test_make_explains_every_promised_target(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()

    assert re.search(rf"^{target}:.*## \S", makefile, flags=re.MULTILINE)


def test_ci_runs_the_commands_that_people_run() -> None:
    script = ROOT / ".ci" / "run"
    makefile = (ROOT / "Makefile").read_text()
    check = re.search(r"^check: environment ##.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)

    assert "make check\n" in script.read_text()
    assert script.stat().st_mode & 0o111
    assert check
    targets = [word for word in check[1].split() if re.fullmatch(r"[a-z][a-z-]+", word)]
    assert targets == ["lint", "types", "contracts", "openapi-drift", "migrations", "test"]
