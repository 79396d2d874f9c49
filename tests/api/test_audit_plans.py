"""How the audit trail is searched: by an index in the order that is shown, however much else there is."""

from uuid import UUID, uuid4

import pytest

from helpdesk_api.identity.audit import entries
from helpdesk_api.identity.audit_schemas import AuditQuery
from helpdesk_api.kit.sql import compiled
from tests.stage import Client, Stage

ACTOR = uuid4()


def plan(stage: Stage, tenant_id: UUID, query: AuditQuery) -> str:
    text, arguments = compiled(entries(tenant_id, query), None)
    return "\n".join(row[0] for row in stage.sql(f"EXPLAIN {text}", *arguments))


@pytest.fixture(scope="module")
def busy(stage: Stage) -> UUID:
    """Give a tenant with 20,000 events of 200 actors from as many addresses, one of them the actor above."""
    tenant_id = uuid4()
    stage.sql(
        """
        INSERT INTO events (tenant_id, id, type, object_type, object_id, object_version, changes, data, actor_type,
            actor_id, cause_type, cause_id, occurred_at, ip)
        SELECT $1, gen_random_uuid(), 'team.updated', 'team', gen_random_uuid(), 1, '{}', '{}', 'user',
            CASE number % 200 WHEN 0 THEN $2::uuid ELSE md5((number % 200)::text)::uuid END, 'request', 'x', now(),
            '203.0.0.0'::inet + number % 200
        FROM generate_series(1, 20000) AS number
        """,
        tenant_id,
        ACTOR,
    )
    stage.sql("ANALYZE events")
    return tenant_id


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"actor_id": [ACTOR]}, "ix_events_tenant_id_actor_id_id"),
        ({"ip": ["203.0.0.7"]}, "ix_events_tenant_id_ip_id"),
        ({"object_id": [ACTOR]}, "ix_events_tenant_id_object_id_xid_seq"),
        ({}, "pk_events"),
    ],
)
def test_one_value_is_found_by_an_index(stage: Stage, busy: UUID, query: dict[str, object], index: str) -> None:
    found = plan(stage, busy, AuditQuery.model_validate(query))

    assert index in found
    # What an object went through is few rows; all else is read in the order that is shown.
    assert ("Sort" in found) == ("object_id" in query)


def test_a_network_is_found_by_its_bounds(stage: Stage, busy: UUID) -> None:
    found = plan(stage, busy, AuditQuery(ip=["203.0.7.0/24"]))

    assert "ix_events_tenant_id_ip_id" in found


@pytest.mark.parametrize("network", ["127.0.0.1", "127.0.0.1/32", "127.0.0.0/8", "0.0.0.0/0"])
def test_an_address_is_found_by_itself_and_by_its_networks(api: Client, network: str) -> None:
    api.post("/v1/teams", json={"name": "Second line"})

    for others in ([], ["10.0.0.0/8"]):
        found = api.get("/v1/audit", params={"ip": [network, *others], "object_type": "team"}).json()["data"]
        assert [entry["type"] for entry in found] == ["team.created"]


@pytest.mark.parametrize("network", ["127.0.0.2", "127.0.0.2/31", "10.0.0.0/8", "::/0", "::ffff:127.0.0.1"])
def test_an_address_is_not_found_by_others(api: Client, network: str) -> None:
    api.post("/v1/teams", json={"name": "Second line"})

    assert api.get("/v1/audit", params={"ip": network}).json()["data"] == []
