"""The operator's surface over HTTP: tenants created, bounded, suspended, deleted and restored, by nobody else."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from helpdesk_api.identity.tenant_purge import purge_due
from tests.contract.hostile import BODIES
from tests.contract.rows import TENANT_TABLES, events
from tests.factories import a_user, create, get
from tests.guarantees.plant import until
from tests.inbound import a_hook, post
from tests.stage import Client, Services, Stage, an_id

KEY = "an operator key for tests that opens nothing of worth"
BASE = "/operator/v1/tenants"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def operated(services: Services) -> Iterator[Stage]:
    """Start an API with an operator key."""
    with Stage(services, HELPDESK_OPERATOR_KEY=KEY) as running:
        yield running


@pytest.fixture
def operator(operated: Stage) -> Iterator[httpx2.Client]:
    """Give the client of the operator."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx2.Client(base_url=operated.base_url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def tenant(operated: Stage) -> Iterator[Client]:
    """Make a tenant of the operated API and give its client."""
    with operated.tenant() as client:
        yield client


def done(answer: httpx2.Response, status: int = 200) -> Json:
    assert answer.status_code == status, answer.text
    told: Json = answer.json()
    return told


def path(tenant: Client, action: str = "") -> str:
    return f"{BASE}/{tenant.tenant.id}{action}"


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_without_an_operator_key_the_surface_does_not_exist(api: Client) -> None:
    for key in ("x", KEY, api.key):
        for method, where in (("GET", BASE), ("POST", BASE), ("GET", path(api)), ("DELETE", path(api))):
            answer = api.request(method, where, headers={"authorization": f"Bearer {key}"})

            assert code(answer) == (404, "not_found")


def test_nobody_but_the_operator_is_let_in(operated: Stage, tenant: Client) -> None:
    for authorization in ("", "Bearer", f"Bearer {KEY[:-1]}", f"Bearer {KEY}x", f"Basic {KEY}", f"Bearer {tenant.key}"):
        for method, where in (
            ("GET", BASE),
            ("POST", BASE),
            ("DELETE", path(tenant)),
            ("POST", path(tenant, "/suspend")),
        ):
            answer = tenant.request(method, where, headers={"authorization": authorization})

            assert code(answer) == (401, "unauthenticated")
            assert answer.headers["ratelimit-policy"].startswith('"address"')
    assert tenant.get("/v1/teams").status_code == 200


def test_the_operator_key_opens_nothing_else(operator: httpx2.Client) -> None:
    assert code(operator.get("/v1/teams")) == (401, "unauthenticated")


def test_a_tenant_is_created_with_a_first_key_and_works(operator: httpx2.Client) -> None:
    name = f"Operated {uuid4()}"

    answer = operator.post(BASE, json={"name": name, "quotas": {"users": 3}, "cors_origins": ["https://a.example"]})
    made = done(answer, 201)
    key = done(operator.post(f"{BASE}/{made['id']}/api-keys", json={"name": "First", "scopes": ["*:read"]}), 201)
    again = operator.post(BASE, json={"name": name})

    assert answer.headers["location"] == f"{BASE}/{made['id']}"
    assert (made["name"], made["state"], made["test_clock_at"]) == (name, "active", None)
    assert made["quotas"] == {"requests_per_minute": None, "users": 3, "api_keys": None, "webhook_endpoints": None}
    assert done(operator.get(f"{BASE}/{made['id']}")) == made
    with httpx2.Client(base_url=operator.base_url, headers={"authorization": f"Bearer {key['key']}"}) as client:
        assert client.get("/v1/teams").status_code == 200
    assert code(again) == (409, "already_exists")


def test_tenants_are_listed_page_by_page(operator: httpx2.Client) -> None:
    made = [done(operator.post(BASE, json={"name": f"Listed {uuid4()}"}), 201)["id"] for _ in range(3)]

    seen: list[str] = []
    after = str(UUID(int=UUID(made[0]).int - 1))
    while len(seen) < len(made):
        page = done(operator.get(BASE, params={"after": after, "limit": 1}))
        seen += [tenant["id"] for tenant in page["data"] if tenant["id"] in made]
        after = page["next_after"] or after

    assert seen == made


def test_a_suspended_tenant_is_refused_until_it_is_resumed(
    operator: httpx2.Client, operated: Stage, tenant: Client
) -> None:
    before = tenant.get("/v1/teams").status_code

    suspended = done(operator.post(path(tenant, "/suspend")))
    refused = tenant.get("/v1/teams"), tenant.post("/v1/teams", json={"name": "x"})
    again = done(operator.post(path(tenant, "/suspend")))
    resumed = done(operator.post(path(tenant, "/resume")))
    after = tenant.get("/v1/teams")

    assert before == after.status_code == 200
    assert after.json()["data"] == []
    assert [code(answer) for answer in refused] == [(403, "tenant_suspended")] * 2
    assert (suspended["state"], again, resumed["state"]) == ("suspended", suspended, "active")
    types = [event["type"] for event in events(operated, tenant.tenant.id, str(tenant.tenant.id))]
    assert types == ["tenant.suspended", "tenant.resumed"]


def test_an_inbound_hook_of_a_suspended_tenant_takes_nothing(operator: httpx2.Client, tenant: Client) -> None:
    hook = a_hook(tenant)
    done(operator.post(path(tenant, "/suspend")))
    refused = post(tenant, hook, {"id": "a", "text": "Full"})
    done(operator.post(path(tenant, "/resume")))

    taken = post(tenant, hook, {"id": "a", "text": "Full"})

    assert (code(refused), taken.status_code) == ((403, "tenant_suspended"), 202)
    assert [message["id"] for message in get(tenant, "inbound-messages")["data"]] == [taken.json()["message_id"]]


def test_deadlines_and_webhooks_of_a_suspended_tenant_wait(
    operator: httpx2.Client, operated: Stage, tenant: Client
) -> None:
    create(tenant, "webhook-endpoints", url="https://127.0.0.1/never", event_types=["ticket.*"])
    done(operator.post(path(tenant, "/suspend")))
    operated.sql(
        """
        INSERT INTO deadlines (tenant_id, id, kind, object_id, instance, due_at, try_at, is_test_clock)
        VALUES ($1, gen_random_uuid(), 'sla.breach', gen_random_uuid(), 1, now(), now(), false)
        """,
        tenant.tenant.id,
    )
    operated.sql(
        """
        INSERT INTO jobs (tenant_id, id, kind, payload, run_at)
        VALUES ($1, gen_random_uuid(), 'events.dispatch', '{"event_ids": []}', now())
        """,
        tenant.tenant.id,
    )
    waiting = "SELECT count(*) AS n FROM jobs WHERE tenant_id = $1 AND kind = 'events.dispatch' AND lease_token IS NULL"

    with operated.tenant() as neighbour:
        create(neighbour, "teams", name="Network")
        until(lambda: unfinished(operated, neighbour) == 0, "the neighbour's work is done", seconds=20)
    before = operated.sql(waiting, tenant.tenant.id)[0]["n"]
    done(operator.post(path(tenant, "/resume")))

    assert before >= 1
    until(lambda: operated.sql(waiting, tenant.tenant.id)[0]["n"] == 0, "what waited is done", seconds=20)


def unfinished(stage: Stage, client: Client) -> int:
    count = "SELECT count(*) AS n FROM jobs WHERE tenant_id = $1 AND kind = 'events.dispatch'"
    return int(stage.sql(count, client.tenant.id)[0]["n"])


def test_every_quota_is_enforced(operator: httpx2.Client, tenant: Client) -> None:
    quotas = {"users": 1, "api_keys": 2, "webhook_endpoints": 0}
    done(operator.patch(path(tenant), json={"quotas": quotas}))
    first = a_user(tenant, is_active=True)
    idle = a_user(tenant, is_active=False)
    create(tenant, "api-keys", name="Second", scopes=["*:read"])

    refused = [
        tenant.post("/v1/users", json={"name": "Two", "email": "two@service.example"}),
        tenant.patch(f"/v1/users/{idle['id']}", json={"is_active": True}),
        tenant.post("/v1/api-keys", json={"name": "Third", "scopes": ["*:read"]}),
        tenant.post("/v1/webhook-endpoints", json={"url": "https://hooks.example.com/in"}),
    ]
    tenant.patch(f"/v1/users/{first['id']}", json={"is_active": False})
    room = tenant.patch(f"/v1/users/{idle['id']}", json={"is_active": True})
    done(operator.patch(path(tenant), json={"quotas": {"api_keys": None}}))
    unbounded = tenant.post("/v1/api-keys", json={"name": "Third", "scopes": ["*:read"]})

    assert [(*code(answer), answer.json()["params"]) for answer in refused] == [
        (409, "quota_exceeded", {"quota": "users", "most": 1}),
        (409, "quota_exceeded", {"quota": "users", "most": 1}),
        (409, "quota_exceeded", {"quota": "api_keys", "most": 2}),
        (409, "quota_exceeded", {"quota": "webhook_endpoints", "most": 0}),
    ]
    assert (room.status_code, unbounded.status_code) == (200, 201)


def test_the_quota_of_requests_is_the_tenants_own(operator: httpx2.Client, tenant: Client) -> None:
    done(operator.patch(path(tenant), json={"quotas": {"requests_per_minute": 3}}))

    statuses = [tenant.get("/v1/teams") for _ in range(4)]

    assert [answer.status_code for answer in statuses] == [200, 200, 200, 429]
    assert '"tenant";q=3;w=60' in statuses[0].headers["ratelimit-policy"]


def test_origins_of_a_tenant_read_its_answers_and_nobody_elses(
    operator: httpx2.Client, operated: Stage, tenant: Client
) -> None:
    origin = f"https://{uuid4()}.example"
    asking = {"origin": origin, "access-control-request-method": "GET"}

    def is_let_in(client: Client, **headers: str) -> bool:
        answer = client.get("/v1/teams", headers={"origin": origin, **headers})
        return answer.headers.get("access-control-allow-origin") == origin

    before = is_let_in(tenant), tenant.options("/v1/teams", headers=asking).status_code
    done(operator.patch(path(tenant), json={"cors_origins": [origin]}))
    until(lambda: tenant.options("/v1/teams", headers=asking).status_code == 204, "the page may ask", seconds=5)

    with operated.tenant() as neighbour:
        assert (is_let_in(tenant), is_let_in(neighbour)) == (True, False)
        # Nobody is known yet, as when somebody signs in: pages of every tenant read that.
        assert is_let_in(neighbour, authorization="Bearer nonsense")
    done(operator.patch(path(tenant), json={"cors_origins": []}))
    until(lambda: tenant.options("/v1/teams", headers=asking).status_code != 204, "no longer", seconds=5)
    assert not is_let_in(tenant)
    assert before == (False, 405)


def test_a_deleted_tenant_is_refused_and_can_be_restored(operator: httpx2.Client, tenant: Client) -> None:
    tenant.get("/v1/teams")

    deleted = done(operator.delete(path(tenant), params={"grace_days": 7}))
    refused = tenant.get("/v1/teams")
    twice, resumed = operator.delete(path(tenant)), operator.post(path(tenant, "/resume"))
    restored = done(operator.post(path(tenant, "/restore")))

    left = datetime.fromisoformat(deleted["purge_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    assert (deleted["state"], code(refused)) == ("deletion_scheduled", (403, "tenant_suspended"))
    assert code(twice) == code(resumed) == (409, "deletion_scheduled")
    assert (restored["state"], restored["purge_at"]) == ("active", None)
    assert tenant.get("/v1/teams").status_code == 200


def test_once_the_time_of_grace_is_over_no_row_is_left(
    operator: httpx2.Client, operated: Stage, tenant: Client
) -> None:
    for kept in (tenant, neighbour := operated.tenant()):
        fill(operated, kept)
    done(operator.delete(path(tenant)))
    operated.run(purge_due(operated.runtime))
    in_grace = rows(operated, tenant)
    operated.sql("UPDATE tenants SET purge_at = now() - interval '2 minutes' WHERE id = $1", tenant.tenant.id)
    of_neighbour = rows(operated, neighbour)

    operated.run(purge_due(operated.runtime))

    assert [name for name, number in in_grace.items() if not number] == []
    assert {name: number for name, number in rows(operated, tenant).items() if number} == {}
    assert operated.sql("SELECT FROM tenants WHERE id = $1", tenant.tenant.id) == []
    assert rows(operated, neighbour).keys() == of_neighbour.keys()
    assert [name for name, number in rows(operated, neighbour).items() if number < of_neighbour[name]] == []
    assert code(operator.get(path(tenant))) == (404, "not_found")
    neighbour.close()


def fill(stage: Stage, api: Client) -> None:
    """Put rows into every table of a tenant."""
    from tests.contract.test_forgotten_tenant import fill as fill_every_table  # noqa: PLC0415 - it brings its own suite.

    fill_every_table(stage, api)


def rows(stage: Stage, api: Client) -> dict[str, int]:
    """Count the rows of a tenant in every table."""
    counts = " UNION ALL ".join(
        f"SELECT '{name}' AS name, count(*) AS n FROM {name} WHERE tenant_id = $1"  # noqa: S608 - names of our tables.
        for name in TENANT_TABLES
        if name not in {"jobs", "job_lanes"}
    )
    return {row["name"]: row["n"] for row in stage.sql(counts, api.tenant.id)}


def test_what_is_not_there_is_not_found(operator: httpx2.Client) -> None:
    missing = f"{BASE}/{an_id()}"

    answers = [
        operator.get(missing),
        operator.patch(missing, json={"name": "x"}),
        operator.delete(missing),
        *(operator.post(f"{missing}/{action}") for action in ("suspend", "resume", "restore")),
        operator.post(f"{missing}/api-keys", json={"name": "x", "scopes": ["*:read"]}),
    ]

    assert {code(answer) for answer in answers} == {(404, "not_found")}


def test_hostile_input_is_refused_and_changes_nothing(operator: httpx2.Client, tenant: Client) -> None:
    before = done(operator.get(path(tenant)))

    answers = [
        operator.request(method, where, content=content, headers={"content-type": "application/json"})
        for method, where in (("POST", BASE), ("PATCH", path(tenant)), ("POST", path(tenant, "/api-keys")))
        for content in BODIES.values()
    ]
    answers += [
        operator.patch(path(tenant), json=body)
        for body in (
            {"cors_origins": ["*"]}, {"cors_origins": ["https://a.example/"]}, {"cors_origins": None},
            {"quotas": {"requests_per_minute": 0}}, {"quotas": {"users": -1}}, {"quotas": {"users": "1"}},
            {"quotas": {"tickets": 1}}, {"name": ""}, {"name": None}, {"suspended_at": None}, {"id": str(an_id())},
            {"quotas": None},
        )
    ]  # fmt: skip
    answers += [operator.get(BASE, params={"color": "red"}), operator.get(f"{BASE}/x"), operator.get(BASE + "?limit=0")]
    answers += [operator.delete(path(tenant), params={"grace_days": days}) for days in (-1, 366, "x")]

    assert [answer.text for answer in answers if not 400 <= answer.status_code < 500] == []
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert done(operator.get(path(tenant))) == before


def test_a_whole_tenant_is_streamed_to_the_operator_also_while_it_is_not_served(
    operator: httpx2.Client, tenant: Client
) -> None:
    user = a_user(tenant)["id"]
    done(operator.post(path(tenant, "/suspend")))

    answer = operator.get(path(tenant, "/export"))

    head, *_, last = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == f'attachment; filename="tenant-{tenant.tenant.id}.ndjson"'
    assert head["tenant_id"] == str(tenant.tenant.id)
    assert last["manifest"]["tables"]["users"]["row_count"] == 1
    assert user in answer.text


def test_nobody_else_exports_a_tenant(operator: httpx2.Client, tenant: Client) -> None:
    assert code(tenant.get(path(tenant, "/export"))) == (401, "unauthenticated")
    assert code(operator.get(f"{BASE}/{an_id()}/export")) == (404, "not_found")
