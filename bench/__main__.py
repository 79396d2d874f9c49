"""`make bench`: measure the product against a hand-written floor, print one table, fail when a budget is missed.

How to read it is told in docs/bench.md.
"""

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass

from bench import business_time, data, imports, promptness, sweeping, webhooks
from bench.data import Account
from bench.load import Operation, ask, request
from bench.measure import Comparison, Contender, compare
from bench.stage import Process, Stage, stage

TICKETS = 1_000
SMALL, LARGE, HOOKS = "helpdesk", "large", "hooks"
PROMPT, AWAY, CALM, HANGING = "prompt", "away", "calm", "hanging"
FEW, MANY, RULED, IMPORTED = "few", "many", "ruled", "imported"
BUDGETS = {"read a ticket": 0.65, "list 50 tickets": 0.65, "create a ticket": 0.5}
WEBHOOK_BUDGET = 0.5
FIRST_ATTEMPT_SECONDS, WITHOUT_VALKEY_SECONDS = 1.0, 3.0
HANGING_BUDGET = 1.2
GROWTH_BUDGET = 1.5
RIGHTS_BUDGET = 0.85
RULES, RULES_BUDGET = 200, 1.5
GROWING = ("read a ticket", "list 50 tickets")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    name: str
    ours: float
    theirs: float
    ratio: float
    budget: str
    is_ok: bool
    cpu: float | None = None

    def __str__(self) -> str:
        cpu = "" if self.cpu is None else f"{self.cpu:.2f}"
        verdict = "ok" if self.is_ok else "FAILED"
        numbers = f"{self.ours:>12,.0f}{self.theirs:>12,.0f}{self.ratio:>8.2f}{cpu:>8}"
        return f"{self.name:<34}{numbers}  {self.budget:<9}{verdict}"


def main() -> int:
    """Measure everything; gives 1 when a budget is missed."""
    options = _options()
    began = time.monotonic()
    with stage() as running:
        account, ids = _prepare(running)
        lines = _against_floor(running, account, ids, options)
        lines += _rights(running, account, ids, options)
        lines.append(_rules(running, account, ids, options))
        if options.large:
            lines += _growth(running, account, ids, options)
            lines.append(_sweeping(running))
        lines.append(_webhooks(running, account))
        lines += _promptness(running)
        lines.append(_imports(running, account))
    lines.append(_business_time())
    failed = [line.name for line in lines if not line.is_ok]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "every budget holds"
    print(f"\n{verdict}; {time.monotonic() - began:.0f} s in all")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each comparison (9)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one turn (0.5)")
    parser.add_argument("--large", type=int, default=200_000, help="tickets of the large database (200000; 0: none)")
    return parser.parse_args()


def _prepare(running: Stage) -> tuple[Account, list[str]]:
    _say("making the schema and a tenant")
    running.migrate(SMALL)
    tenant, key = asyncio.run(data.make_tenant(running.environment(SMALL)))
    with running.product(SMALL) as product:
        account = asyncio.run(data.furnish(product.port, tenant, key))
        _say(f"creating {TICKETS:,} tickets")
        ids = asyncio.run(data.add_tickets(product.port, account, TICKETS))
    asyncio.run(data.tidy(running.superuser_url(SMALL)))
    running.clone(SMALL, HOOKS)
    running.clone(SMALL, LARGE)
    for name in (PROMPT, AWAY, CALM, HANGING, FEW, MANY, RULED, IMPORTED):
        running.clone(SMALL, name)
    return account, ids


def _against_floor(running: Stage, account: Account, ids: list[str], options: argparse.Namespace) -> list[Line]:
    lines: list[Line] = []
    with running.product(SMALL) as product, running.floor(SMALL) as floor:
        _check_same(product, floor, account, ids[0])
        ours, theirs = (
            _operations(account, account.authorization, ids),
            _operations(account, account.floor_authorization, ids),
        )
        _head("operation", "product/s", "floor/s", "ratio", "cpu", "budget")
        for name, budget in BUDGETS.items():
            found = compare(
                Contender(product, ours[name]),
                Contender(floor, theirs[name]),
                rounds=options.rounds,
                seconds=options.seconds,
            )
            lines.append(_line(name, found, found.ratio, f">= {budget}", is_ok=found.ratio >= budget))
    return lines


def _rights(running: Stage, account: Account, ids: list[str], options: argparse.Namespace) -> list[Line]:
    """Compare a key that sees some companies, and no guarded field, with one that sees everything."""
    lines: list[Line] = []
    with running.product(SMALL) as product:
        narrowed = _operations(account, account.narrowed_authorization, ids)
        unlimited = _operations(account, account.authorization, ids)
        _head("rights", "narrowed/s", "all/s", "ratio", "cpu", "budget")
        for name in GROWING:
            found = compare(
                Contender(product, narrowed[name]),
                Contender(product, unlimited[name]),
                rounds=options.rounds,
                seconds=options.seconds,
            )
            lines.append(_line(name, found, found.ratio, f">= {RIGHTS_BUDGET}", is_ok=found.ratio >= RIGHTS_BUDGET))
    return lines


def _rules(running: Stage, account: Account, ids: list[str], options: argparse.Namespace) -> Line:
    """Compare creating a ticket beside rules that are all tried with creating one where there are none."""
    create = _operations(account, account.authorization, ids)["create a ticket"]
    with running.product(SMALL) as none, running.product(RULED) as ruled:
        asyncio.run(data.add_rules(ruled.port, account, RULES))
        _head("rules", "none/s", f"{RULES}/s", "times", "cpu", "budget")
        found = compare(
            Contender(none, create), Contender(ruled, create), rounds=options.rounds, seconds=options.seconds
        )
    is_ok = found.ratio <= RULES_BUDGET
    return _line(f"create a ticket, {RULES} rules tried", found, found.ratio, f"<= {RULES_BUDGET}", is_ok=is_ok)


def _growth(running: Stage, account: Account, ids: list[str], options: argparse.Namespace) -> list[Line]:
    _say(f"growing to {options.large:,} tickets")
    asyncio.run(data.multiply_tickets(running.superuser_url(LARGE), options.large // TICKETS - 1))
    operations = _operations(account, account.authorization, ids)
    lines: list[Line] = []
    with running.product(SMALL) as small, running.product(LARGE) as large:
        _head("growth", "small/s", "large/s", "times", "cpu", "budget")
        for name in GROWING:
            found = compare(
                Contender(small, operations[name]),
                Contender(large, operations[name]),
                rounds=options.rounds,
                seconds=options.seconds,
            )
            label = f"{name}, {TICKETS:,} to {options.large:,}"
            lines.append(_line(label, found, found.ratio, f"<= {GROWTH_BUDGET}", is_ok=found.ratio <= GROWTH_BUDGET))
    return lines


def _sweeping(running: Stage) -> Line:
    few, many, times = asyncio.run(sweeping.compare(running, FEW, MANY))
    label = f"a sweep, {sweeping.FEW:,} to {sweeping.MANY:,}"
    return _shown(Line(label, few, many, times, f"<= {GROWTH_BUDGET}", times <= GROWTH_BUDGET))


def _webhooks(running: Stage, account: Account) -> Line:
    ours, theirs, ratio = asyncio.run(webhooks.compare(running, HOOKS, account))
    _head("webhooks", "worker/s", "loop/s", "ratio", "", "budget")
    return _shown(Line("deliver", ours, theirs, ratio, f">= {WEBHOOK_BUDGET}", ratio >= WEBHOOK_BUDGET))


def _promptness(running: Stage) -> list[Line]:
    _head("webhooks", "p99 ms", "other ms", "times", "", "budget")
    lines: list[Line] = []
    for name, database, seconds, changes in (
        ("first attempt, 50 events/s", PROMPT, FIRST_ATTEMPT_SECONDS, {}),
        ("first attempt, Valkey away", AWAY, WITHOUT_VALKEY_SECONDS, promptness.AWAY),
    ):
        found = asyncio.run(promptness.first_attempts(running, database, **changes))
        ratio = found / seconds
        lines.append(_shown(Line(name, 1_000 * found, 1_000 * seconds, ratio, "<= 1", ratio <= 1)))
    beside, alone, ratio = asyncio.run(promptness.others_while_half_hang(running, CALM, HANGING))
    name = "half of 200 endpoints hang"
    lines.append(
        _shown(Line(name, 1_000 * beside, 1_000 * alone, ratio, f"<= {HANGING_BUDGET}", ratio <= HANGING_BUDGET))
    )
    return lines


def _imports(running: Stage, account: Account) -> Line:
    done, memory = asyncio.run(imports.rate(running, IMPORTED, account))
    budget = imports.BUDGET_PER_SECOND
    _head("imports", "rows/s", "budget", "times", "", "budget")
    name = f"{imports.ROWS:,} companies, {memory:.0f} MiB"
    return _shown(Line(name, done, budget, done / budget, ">= 1", done >= budget))


def _business_time() -> Line:
    done, budget = business_time.adds_per_minute(), business_time.BUDGET_PER_MINUTE
    _head("business time", "per minute", "budget", "times", "", "budget")
    return _shown(Line("add a budget to an instant", done, budget, done / budget, ">= 1", done >= budget))


def _operations(account: Account, authorization: str, ids: list[str]) -> dict[str, Operation]:
    return {
        "read a ticket": Operation(tuple(request("GET", f"/v1/tickets/{one}", authorization) for one in ids), 200),
        "list 50 tickets": Operation((request("GET", "/v1/tickets?limit=50", authorization),), 200),
        "create a ticket": Operation(
            tuple(request("POST", "/v1/tickets", authorization, account.new_ticket(number)) for number in range(100)),
            201,
        ),
    }


def _check_same(product: Process, floor: Process, account: Account, ticket_id: str) -> None:
    """Make sure that both answer the same question: the same fields, as many tickets and as many clocks."""
    for path in (f"/v1/tickets/{ticket_id}", "/v1/tickets?limit=50"):
        ours = asyncio.run(ask(product.port, request("GET", path, account.authorization)))
        theirs = asyncio.run(ask(floor.port, request("GET", path, account.floor_authorization)))
        assert _outline(ours) == _outline(theirs), (ours, theirs)


def _outline(answer: object) -> object:
    match answer:
        case dict():
            return {name: _outline(value) for name, value in answer.items()}
        case list():
            return [_outline(value) for value in answer]
        case _:
            return answer is None


def _line(name: str, found: Comparison, ratio: float, budget: str, *, is_ok: bool) -> Line:
    ours = statistics.median(rate.per_second for rate in found.ours)
    theirs = statistics.median(rate.per_second for rate in found.theirs)
    return _shown(Line(name, ours, theirs, ratio, budget, is_ok, found.cpu_ratio))


def _shown(line: Line) -> Line:
    print(line, flush=True)
    return line


def _head(name: str, ours: str, theirs: str, ratio: str, cpu: str, budget: str) -> None:  # noqa: PLR0917 - columns.
    print(f"\n{name:<34}{ours:>12}{theirs:>12}{ratio:>8}{cpu:>8}  {budget}", flush=True)


def _say(what: str) -> None:
    print(f"{what} ...", flush=True)


if __name__ == "__main__":
    sys.exit(main())
