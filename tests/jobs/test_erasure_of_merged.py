"""Who was merged and is erased since is gone with every card, and copies of what names them stay equal."""

from typing import Any

from tests.factories import a_company, a_contact, get
from tests.guarantees.test_copy_from_delta_feed import checksum
from tests.jobs.test_erasure import erased, everywhere
from tests.jobs.webhooks import settle
from tests.stage import Client, Stage


def versions_told(api: Client, plural: str) -> dict[str, int]:
    """Follow the changes from the beginning; gives the version of each card that is there."""
    told = get(api, f"{plural}/changes?include_own=true&limit=100")
    assert not told["page"]["has_more"]
    return {change["id"]: change["version"] for change in told["data"] if change["card"] is not None}


def a_person(api: Client, name: str) -> dict[str, Any]:
    return a_contact(api, name=name, emails=[f"{name.partition(' ')[0].lower()}@canary.example"])


def test_a_person_who_was_merged_is_erased_with_every_card_and_does_not_come_back(stage: Stage, api: Client) -> None:
    oldest, older, person = (a_person(api, f"{name} Zabellini") for name in ("Quintilla", "Quirina", "Quartilla"))
    merges = []
    for winner, loser in ((older, oldest), (person, older)):
        body = {"card_type": "contact", "winner_id": winner["id"], "loser_ids": [loser["id"]]}
        merges.append(api.post("/v1/merges", json=body).json())

    erased(api, f"contacts/{person['id']}")

    assert [name for name in ("Quintilla", "Quirina", "Quartilla") if everywhere(stage, api, name)] == []
    for merge in merges:
        assert get(api, f"merges/{merge['id']}")["state"] == "final"
    refused = api.post(f"/v1/merges/{merges[1]['id']}/undo")
    assert (refused.status_code, refused.json()["code"]) == (409, "merge_not_undoable")


def test_an_erasure_is_told_so_that_copies_of_what_named_the_person_stay_equal(stage: Stage, api: Client) -> None:
    person = a_person(api, "Quirina Zabellini")
    company = a_company(api, notes="Ask for Quirina Zabellini.")

    erased(api, f"contacts/{person['id']}")

    settle(stage, api)
    for plural, card in (("contacts", person), ("companies", company)):
        told = versions_told(api, plural)
        assert told == {card["id"]: 2}
        assert get(api, f"events/checksum?collection={plural}")["checksum"] == checksum(told)
