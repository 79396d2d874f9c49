"""Writers who meet: nothing is lost that was answered, and whoever wrote on an old version learns it."""

from concurrent.futures import ThreadPoolExecutor

from tests.factories import a_company, a_ticket, get
from tests.stage import Client, Stage


def test_changes_of_different_fields_all_survive(api: Client) -> None:
    made = a_company(api)
    path = f"/v1/companies/{made['id']}"
    bodies = [{"name": "Alpine Dairy"}, {"notes": "Rings twice."}, {"domains": ["alpine.example"]}] * 5

    with ThreadPoolExecutor(15) as pool:
        answers = list(pool.map(lambda body: api.patch(path, json=body), bodies))

    after = get(api, f"companies/{made['id']}")
    assert {answer.status_code for answer in answers} == {200}
    assert (after["name"], after["notes"], after["domains"]) == ("Alpine Dairy", "Rings twice.", ["alpine.example"])
    assert after["version"] == 4


def test_of_many_who_read_the_same_version_one_may_write(api: Client, stage: Stage) -> None:
    made = a_ticket(api)
    path = f"/v1/tickets/{made['id']}"

    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(
                lambda number: api.patch(path, json={"subject": f"By {number}"}, headers={"if-match": '"v1"'}),
                range(20),
            )
        )

    (kept,) = [answer.json() for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(412, "stale_version")}
    assert get(api, f"tickets/{made['id']}")["subject"] == kept["subject"]
    assert len(stage.sql("SELECT id FROM events WHERE tenant_id = $1 AND type = 'ticket.updated'", api.tenant.id)) == 1


def test_tickets_made_at_once_have_numbers_without_gap_or_repetition(api: Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda number: a_ticket(api, subject=f"Ticket {number}"), range(40)))

    assert sorted(ticket["number"] for ticket in made) == list(range(1, 41))


def test_a_number_that_was_refused_is_not_used_up(api: Client) -> None:
    a_ticket(api)
    refused = api.post("/v1/tickets", json={"subject": "x", "team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02"})

    following = a_ticket(api)

    assert refused.json()["code"] == "unknown_reference"
    assert following["number"] == 2


def test_of_two_who_want_one_name_one_gets_it(api: Client) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: api.post("/v1/teams", json={"name": "Network"}), range(10)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert len(get(api, "teams")["data"]) == 1
