"""What the process counts and measures for Prometheus: names, labels and buckets of every series, in one place.

A `Metrics` owns its registry, so each process (and each test) builds its own and nothing registers twice. Labels hold
only words from closed lists: no tenant, no address, no id. When something is counted is decided by the caller; where
the page is served and who may read it, by the routes.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.process_collector import ProcessCollector

# A `_created` series beside every counter and histogram would double the page and tell nothing that a restart does not.
disable_created_metrics()  # type: ignore[no-untyped-call]  # The library left its annotation out.

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LAG_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)


class Metrics:
    """The series of one process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "http_requests", "Requests answered.", ("method", "route", "status_class"), registry=registry
        )
        self._request_seconds = Histogram(
            "http_request_duration_seconds",
            "Time from the first look at a request to its last byte sent.",
            ("method", "route", "status_class"),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self._pool_connections = Gauge(
            "db_pool_connections", "Database connections of this process.", ("state",), registry=registry
        )
        self._jobs_claimed = Counter("jobs_claimed", "Jobs taken for execution.", ("kind",), registry=registry)
        self._jobs_finished = Counter("jobs_finished", "Jobs ended.", ("kind", "outcome"), registry=registry)
        self._webhook_attempts = Counter("webhook_attempts", "Webhook sendings.", ("result",), registry=registry)
        self._deadline_lag = Histogram(
            "deadline_lag_seconds",
            "How long after its due instant a deadline fired.",
            ("kind",),
            buckets=_LAG_SECONDS,
            registry=registry,
        )
        self._deadlines_orphaned = Counter(
            "deadlines_orphaned",
            "Deadlines that were removed because what they are about is gone.",
            ("kind",),
            registry=registry,
        )
        self._outbox_pending = Gauge("outbox_pending", "Jobs that wait or run.", registry=registry)
        self._outbox_oldest_age = Gauge(
            "outbox_oldest_age_seconds", "Age of the oldest job that is due and not done.", registry=registry
        )
        self._live_listeners = Gauge(
            "live_listeners", "Open streams and requests that wait for events.", registry=registry
        )
        self._live_events = Counter("live_events_sent", "Events sent on streams.", registry=registry)
        self._live_streams_ended = Counter(
            "live_streams_ended", "Streams that the server ended.", ("reason",), registry=registry
        )
        # Finding a labelled series costs more than counting in it, and there are few of them.
        self._request_series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def http_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. `route` is the template, never the path."""
        key = (method if method in _METHODS else "other", route, status // 100)
        series = self._request_series.get(key)
        if series is None:
            labels = (key[0], route, f"{status // 100}xx")
            series = (self._requests.labels(*labels), self._request_seconds.labels(*labels))
            self._request_series[key] = series
        series[0].inc()
        series[1].observe(seconds)

    def pool_state(self, size: int, idle: int) -> None:
        """Set how many database connections are open, and how many of them nobody uses."""
        self._pool_connections.labels("idle").set(idle)
        self._pool_connections.labels("in_use").set(size - idle)

    def jobs_claimed(self, kind: str, count: int) -> None:
        """Count jobs that a worker took."""
        self._jobs_claimed.labels(kind).inc(count)

    def job_finished(self, kind: str, outcome: str) -> None:
        """Count a job that ended."""
        self._jobs_finished.labels(kind, outcome).inc()

    def webhook_attempt(self, result: str) -> None:
        """Count one sending of a webhook by what became of it."""
        self._webhook_attempts.labels(result).inc()

    def deadline_fired(self, kind: str, lag_seconds: float) -> None:
        """Measure how late a deadline fired."""
        self._deadline_lag.labels(kind).observe(lag_seconds)

    def deadline_orphaned(self, kind: str) -> None:
        """Count a deadline of something that is gone."""
        self._deadlines_orphaned.labels(kind).inc()

    def queue_state(self, pending: int, oldest_age_seconds: float) -> None:
        """Set how much work waits, and for how long the oldest of it."""
        self._outbox_pending.set(pending)
        self._outbox_oldest_age.set(oldest_age_seconds)

    def live_listeners(self, change: int) -> None:
        """Count one who begins to listen, or ends it."""
        self._live_listeners.inc(change)

    def live_events_sent(self, count: int) -> None:
        """Count events that went out on a stream."""
        self._live_events.inc(count)

    def live_stream_ended(self, reason: str) -> None:
        """Count a stream that the server ended, by a word for why."""
        self._live_streams_ended.labels(reason).inc()

    def render(self) -> tuple[bytes, str]:
        """Give the page that Prometheus reads, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
