from prometheus_client.parser import text_string_to_metric_families

from helpdesk_api.kit.metrics import Metrics

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _series(metrics: Metrics) -> Series:
    page, _ = metrics.render()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_method_route_and_status_class() -> None:
    metrics = Metrics()

    metrics.http_request("GET", "/v1/tickets/{id}", 200, 0.004)
    metrics.http_request("GET", "/v1/tickets/{id}", 204, 0.02)
    metrics.http_request("GET", "/v1/tickets/{id}", 404, 0.001)

    series = _series(metrics)
    found = (("method", "GET"), ("route", "/v1/tickets/{id}"), ("status_class", "2xx"))
    missed = (("method", "GET"), ("route", "/v1/tickets/{id}"), ("status_class", "4xx"))
    assert series["http_requests_total", found] == 2
    assert series["http_requests_total", missed] == 1
    assert series["http_request_duration_seconds_count", found] == 2
    assert series["http_request_duration_seconds_sum", found] == 0.024
    assert series["http_request_duration_seconds_bucket", (("le", "0.005"), *found)] == 1


def test_an_unusual_method_gets_no_series_of_its_own() -> None:
    metrics = Metrics()

    metrics.http_request("PROPFIND", "unmatched", 405, 0.001)
    metrics.http_request("BREW", "unmatched", 405, 0.001)

    labels = (("method", "other"), ("route", "unmatched"), ("status_class", "4xx"))
    assert _series(metrics)["http_requests_total", labels] == 2


def test_the_pool_shows_idle_connections_and_those_in_use() -> None:
    metrics = Metrics()

    metrics.pool_state(size=8, idle=3)

    series = _series(metrics)
    assert series["db_pool_connections", (("state", "idle"),)] == 3
    assert series["db_pool_connections", (("state", "in_use"),)] == 5


def test_jobs_are_counted_when_claimed_and_when_finished() -> None:
    metrics = Metrics()

    metrics.jobs_claimed("deliver_webhook", 16)
    metrics.jobs_claimed("deliver_webhook", 2)
    metrics.job_finished("deliver_webhook", "done")

    series = _series(metrics)
    assert series["jobs_claimed_total", (("kind", "deliver_webhook"),)] == 18
    assert series["jobs_finished_total", (("kind", "deliver_webhook"), ("outcome", "done"))] == 1


def test_webhook_attempts_are_counted_by_result() -> None:
    metrics = Metrics()

    metrics.webhook_attempt("delivered")
    metrics.webhook_attempt("timeout")
    metrics.webhook_attempt("timeout")

    series = _series(metrics)
    assert series["webhook_attempts_total", (("result", "delivered"),)] == 1
    assert series["webhook_attempts_total", (("result", "timeout"),)] == 2


def test_the_lag_of_deadlines_is_measured_by_kind() -> None:
    metrics = Metrics()

    metrics.deadline_fired("sla_breach", 0.75)

    series = _series(metrics)
    assert series["deadline_lag_seconds_sum", (("kind", "sla_breach"),)] == 0.75
    assert series["deadline_lag_seconds_bucket", (("kind", "sla_breach"), ("le", "0.5"))] == 0
    assert series["deadline_lag_seconds_bucket", (("kind", "sla_breach"), ("le", "1.0"))] == 1


def test_the_queue_shows_its_length_and_the_age_of_its_oldest() -> None:
    metrics = Metrics()

    metrics.queue_state(pending=12, oldest_age_seconds=3.5)

    series = _series(metrics)
    assert series["outbox_pending", ()] == 12
    assert series["outbox_oldest_age_seconds", ()] == 3.5


def test_two_registries_of_one_process_know_nothing_of_each_other() -> None:
    one, other = Metrics(), Metrics()

    one.webhook_attempt("delivered")

    assert ("webhook_attempts_total", (("result", "delivered"),)) in _series(one)
    assert ("webhook_attempts_total", (("result", "delivered"),)) not in _series(other)


def test_the_page_is_plain_text_with_the_state_of_the_process_and_no_created_series() -> None:
    metrics = Metrics()
    metrics.webhook_attempt("delivered")

    page, media_type = metrics.render()

    assert media_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"\nprocess_resident_memory_bytes " in page
    assert b"_created" not in page
