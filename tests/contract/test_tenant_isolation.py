"""Nothing of another tenant can be seen, changed, referred to or inferred.

The statements' own conditions and row-level security each hold by themselves; that the latter does is shown statement
by statement in `test_row_level_security`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from helpdesk_api.identity.api_keys import api_keys
from tests.contract.bodies import create, ticket
from tests.contract.hostile import a_part
from tests.contract.isolation import Try, TwoTenants, nobodys, outcome
from tests.contract.rows import contents
from tests.stage import Services, Stage


@contextmanager
def stage_without_row_level_security(services: Services) -> Iterator[Stage]:
    """Run the product under a role that row-level security does not hold."""
    role = f"unheld_{uuid4().hex[:12]}"
    with Stage(services) as usual:
        usual.sql(f"CREATE ROLE {role} LOGIN BYPASSRLS PASSWORD 'unheld' IN ROLE helpdesk_app, helpdesk_sweeper")
        host_and_database = services.app_url.rpartition("@")[2]
        try:
            with Stage(replace(services, app_url=f"postgresql://{role}:unheld@{host_and_database}")) as unheld:
                yield unheld
        finally:
            usual.sql(f"DROP ROLE {role}")


def crawl(stage: Stage, choose: Callable[[Sequence[Try]], Sequence[Try]] = list) -> int:
    """Try everything, or what is chosen of it, and compare; gives the number of tries."""
    with stage.tenant() as ours, stage.tenant() as theirs:
        tenants = TwoTenants(stage, ours, theirs)
        tries = choose(list(tenants.tries()))
        before = contents(stage, ours.tenant.id), contents(stage, theirs.tenant.id)

        for attempt in tries:
            with_theirs, with_nobodys = outcome(attempt, attempt.their_id), outcome(attempt, nobodys())

            assert with_theirs == with_nobodys, str(attempt)
            status, _, shown = with_theirs
            if status == 200 and "items" in shown:
                (item,) = shown["items"]
                assert (item["outcome"], item["problem"]["code"]) == ("refused", "not_found"), str(attempt)
            elif status == 200:
                assert shown["data"] == [], str(attempt)
            else:
                assert (status, shown["code"]) in {(404, "not_found"), (422, "unknown_reference")}, str(attempt)

        assert (contents(stage, ours.tenant.id), contents(stage, theirs.tenant.id)) == before
        foreign = set(tenants.their_ids())
        for answer in tenants.own_reads():
            assert not [known for known in foreign if known in answer.text], answer.url
    return len(tries)


def test_an_id_of_another_tenant_is_like_an_id_that_nobody_has(stage: Stage) -> None:
    # What the statements refuse by themselves is tried in full below: with both it is a part.
    assert crawl(stage, partial(a_part, turn=0)) > 100


def test_without_row_level_security_the_statements_keep_tenants_apart(services: Services) -> None:
    with stage_without_row_level_security(services) as unheld:
        held = unheld.run(is_held(unheld))

        assert not held, "the role is held back after all, so that this test shows nothing"
        assert crawl(unheld) > 100


async def is_held(stage: Stage) -> bool:
    """Tell whether the product's role sees only the rows of the tenant it names."""
    async with stage.runtime.db.transaction(uuid4()) as transaction:
        return int(await transaction.value(select(func.count()).select_from(api_keys))) == 0


def test_a_cursor_of_another_tenants_feed_is_refused(stage: Stage) -> None:
    with stage.tenant() as ours, stage.tenant() as theirs:
        cursor = theirs.get("/v1/events").json()["page"]["next_cursor"]

        answer = ours.get("/v1/events", params={"after": cursor})

        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_mismatch")


def test_keys_of_repetition_belong_to_their_tenant(stage: Stage) -> None:
    with stage.tenant() as ours, stage.tenant() as theirs:
        key, body = {"idempotency-key": str(uuid4())}, {"name": "Alpine"}
        first = theirs.post("/v1/companies", json=body, headers=key)

        answer = ours.post("/v1/companies", json=body, headers=key)

        assert (first.status_code, answer.status_code) == (201, 201)
        assert first.json()["id"] != answer.json()["id"]
        assert "idempotency-replayed" not in answer.headers


def test_ticket_numbers_do_not_tell_how_busy_others_are(stage: Stage) -> None:
    with stage.tenant() as ours, stage.tenant() as theirs:
        for _ in range(3):
            create(theirs, "tickets", **ticket(theirs))

        assert create(ours, "tickets", subject="First")["number"] == 1


def test_a_key_that_names_another_tenant_is_unknown(stage: Stage) -> None:
    with stage.tenant() as ours, stage.tenant() as theirs:
        # The text of a key holds the tenant and the key's id; the secret belongs to exactly that pair.
        stem_of_theirs, secret_of_ours = theirs.key.split("_")[:3], ours.key.split("_")[3:]
        forged = "_".join([*stem_of_theirs, *secret_of_ours])

        with stage.client(ours.tenant, forged) as client:
            answer = client.get("/v1/companies")

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("header", ["x-tenant-id", "x-forwarded-user", "x-original-url", "x-http-method-override"])
def test_no_header_names_another_tenant(stage: Stage, header: str) -> None:
    with stage.tenant() as ours, stage.tenant() as theirs:
        create(theirs, "companies", name="Alpine")

        answer = ours.get("/v1/companies", headers={header: str(theirs.tenant.id)})

        assert answer.json()["data"] == []
