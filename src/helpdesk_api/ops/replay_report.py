"""What came of a replay: counted, judged, and told to a person or a script."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from helpdesk_api.ops.replay_check import Mismatch
from helpdesk_api.ops.replay_client import Timings
from helpdesk_api.ops.replay_log import SkippedRow

_MOST_SHOWN: Final = 20
_MILLISECONDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class PromiseReport:
    """How one metric of one policy was kept, over all tickets."""

    policy: str
    metric: str
    met: int
    breached: int
    unfinished: int
    cancelled: int

    @property
    def attainment_percent(self) -> float | None:
        """Give the share of finished promises that were kept."""
        finished = self.met + self.breached
        return round(100 * self.met / finished, 1) if finished else None


@dataclass(frozen=True, slots=True)
class RequestReport:
    """How long one kind of request took."""

    kind: str
    count: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """How the webhooks arrived; `lost` are events of the feed that never did."""

    events: int
    deliveries: int
    duplicates: int
    most_duplicates: int
    lost: Sequence[str]
    unknown: Sequence[str]
    unverified: int
    conflicting: int
    caught_up_seconds: float

    @property
    def problems(self) -> list[str]:
        found = [
            (len(self.lost), "events never arrived as webhooks"),
            (len(self.unknown), "webhooks tell of events that the feed does not have"),
            (self.unverified, "webhooks could not be verified"),
            (self.conflicting, "webhooks came again with another body"),
            (max(0, self.duplicates - self.most_duplicates), f"more duplicates than {self.most_duplicates}"),
        ]
        return [f"{count} {what}" for count, what in found if count]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole result."""

    cases: int
    rows: int
    skipped: Sequence[SkippedRow]
    tickets: int
    event_types: Mapping[str, int]
    promises: Sequence[PromiseReport]
    deliveries: DeliveryReport
    requests: Sequence[RequestReport]
    retried: Mapping[str, int]
    play_seconds: float
    requests_per_second: float
    worker_kills: int
    valkey_flushes: int
    mismatches: Sequence[Mismatch]

    @property
    def succeeded(self) -> bool:
        return not self.mismatches and not self.deliveries.problems

    def as_json(self) -> dict[str, Any]:
        """Give the result for a script."""
        shown = asdict(self)
        shown["promises"] = [{**asdict(item), "attainment_percent": item.attainment_percent} for item in self.promises]
        return {"succeeded": self.succeeded, **shown}


def promises(tickets: Iterable[Mapping[str, Any]], policies: Mapping[str, str]) -> list[PromiseReport]:
    """Count by policy and metric how the clocks of the tickets stand; a clock past its deadline counts as breached."""
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for ticket in tickets:
        for clock in ticket["clocks"]:
            outcome = {"met": "met", "breached": "breached", "cancelled": "cancelled"}.get(clock["state"], "unfinished")
            if clock["breached_at"] is not None and outcome == "unfinished":
                outcome = "breached"
            counts[policies[clock["policy_id"]], clock["metric"]][outcome] += 1
    return [
        PromiseReport(policy, metric, found["met"], found["breached"], found["unfinished"], found["cancelled"])
        for (policy, metric), found in sorted(counts.items())
    ]


def requests(timings: Timings) -> list[RequestReport]:
    """Summarise the timings, all kinds together first."""
    kinds = {"all": [second for found in timings.seconds.values() for second in found], **timings.seconds}
    return [
        RequestReport(kind, len(found), _quantile(found, 0.5), _quantile(found, 0.99)) for kind, found in kinds.items()
    ]


def _quantile(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * _MILLISECONDS, 1) if ordered else 0.0


def show(report: Report, console: Console) -> None:
    """Print the result for a person."""
    deliveries = report.deliveries
    facts = {
        "log": f"{report.rows} rows of {report.cases} cases, {len(report.skipped)} rows skipped",
        "tickets": str(report.tickets),
        "events": str(deliveries.events),
        "webhooks": f"{deliveries.deliveries} deliveries, {deliveries.duplicates} duplicates, "
        f"{len(deliveries.lost)} lost, {deliveries.unverified} unverified; "
        f"caught up {deliveries.caught_up_seconds:.1f} s after the last row",
        "speed": f"{report.requests_per_second:.0f} requests/s while playing, {report.play_seconds:.1f} s",
        "retries": ", ".join(f"{count} x {what}" for what, count in report.retried.items()) or "none",
        "faults": f"{report.worker_kills} worker kills, {report.valkey_flushes} Valkey flushes",
        "mismatches": str(len(report.mismatches)),
    }
    _print(console, ("", ""), facts.items())
    _print(
        console,
        ("policy", "metric", "met", "breached", "unfinished", "cancelled", "attained"),
        (
            (p.policy, p.metric, p.met, p.breached, p.unfinished, p.cancelled, _percent(p.attainment_percent))
            for p in report.promises
        ),
    )
    _print(
        console,
        ("requests", "count", "p50 ms", "p99 ms"),
        ((r.kind, r.count, r.p50_ms, r.p99_ms) for r in report.requests),
    )
    _print(console, ("skipped line", "reason"), ((s.line, s.reason) for s in report.skipped[:_MOST_SHOWN]))
    _print(
        console,
        ("case", "what", "in the log", "in the API"),
        ((m.case, m.what, m.in_log, m.in_api) for m in report.mismatches[:_MOST_SHOWN]),
    )
    for problem in deliveries.problems:
        console.print(problem, style="bold red")
    verdict = "The API tells the same as the log." if report.succeeded else "The API does not tell the same as the log."
    console.print(verdict, style="bold green" if report.succeeded else "bold red")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} %"


def _print(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(*columns, box=None, pad_edge=False, show_header=any(columns))
    for row in rows:
        table.add_row(*map(str, row))
    if table.row_count:
        console.print(table)
        console.print()
