"""How assets are related, and what fails with one of them."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.contract.people import people
from tests.factories import a_company, create, get, patch
from tests.stage import Client, Stage

JSON = dict[str, Any]


def some_assets(api: Client, *names: str, company_id: str | None = None) -> dict[str, str]:
    """Make assets of one company; gives their ids by name."""
    kind = create(api, "asset-types", name=f"Type {uuid4()}")["id"]
    owner = company_id or a_company(api)["id"]
    return {name: create(api, "assets", asset_type_id=kind, name=name, company_id=owner)["id"] for name in names}


def relate(api: Client, source: str, type: str, target: str) -> JSON:
    """Relate two assets."""
    return create(api, "asset-relations", type=type, source_asset_id=source, target_asset_id=target)


def refusal(api: Client, source: str, type: str, target: str) -> tuple[int, str, str]:
    """Try to relate two assets; gives status, code and the pointer of what was refused."""
    answer = api.post("/v1/asset-relations", json={"type": type, "source_asset_id": source, "target_asset_id": target})
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"]


def impact(api: Client, asset: str, direction: str = "affected", **more: int) -> list[tuple[str, int, str]]:
    """Tell what fails with an asset, or whose failure it suffers from."""
    told = api.get(f"/v1/assets/{asset}/impact", params={"direction": direction, **more}).json()
    assert (told["asset_id"], told["direction"], told["is_complete"]) == (asset, direction, True)
    return [
        (hit["name"], hit["steps"], hit["effect"])
        for hit in sorted(told["data"], key=lambda h: (h["steps"], h["name"]))
    ]


def test_assets_of_one_company_are_related_once_in_one_way(api: Client, stage: Stage) -> None:
    ours, other = some_assets(api, "shop", "server"), some_assets(api, "strange")
    made = relate(api, ours["shop"], "runs_on", ours["server"])
    stock = create(api, "assets", asset_type_id=create(api, "asset-types", name="Spare")["id"], name="spare")["id"]

    told = [
        refusal(api, ours["shop"], "runs_on", ours["server"]),
        refusal(api, ours["shop"], "runs_on", ours["shop"]),
        refusal(api, ours["shop"], "depends_on", other["strange"]),
        refusal(api, stock, "depends_on", ours["shop"]),
    ]

    assert told == [
        (409, "already_exists", "#/type"),
        (422, "related_to_itself", "#/target_asset_id"),
        (422, "assets_of_two_companies", "#/target_asset_id"),
        (422, "assets_of_two_companies", "#/target_asset_id"),
    ]
    found = get(api, f"asset-relations?target_asset_id={ours['server']}&include=source_asset")
    assert [each["id"] for each in found["data"]] == [made["id"]]
    assert found["included"]["assets"].keys() == {ours["shop"]}
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        stage.sql(
            "UPDATE asset_relations SET target_asset_id = $1 WHERE id = $2", UUID(other["strange"]), UUID(made["id"])
        )


def test_the_impact_of_a_failure_is_walked_both_ways(api: Client) -> None:
    of = some_assets(api, "power", "host a", "host b", "database", "shop", "till", "cable", "scanner")
    patch(api, f"assets/{of['scanner']}", parent_asset_id=of["till"])
    for source, type, target in (
        ("host a", "depends_on", "power"),
        ("host b", "depends_on", "power"),
        ("host b", "backs_up", "host a"),
        ("database", "runs_on", "host a"),
        ("shop", "depends_on", "database"),
        ("till", "depends_on", "shop"),
        ("shop", "depends_on", "till"),
        ("cable", "part_of", "till"),
        ("power", "connected_to", "cable"),
    ):
        relate(api, of[source], type, of[target])

    assert impact(api, of["host a"]) == [("database", 1, "at_risk"), ("shop", 2, "at_risk"), ("till", 3, "at_risk")]
    assert impact(api, of["power"]) == [
        ("host a", 1, "down"),
        ("host b", 1, "down"),
        ("database", 2, "down"),
        ("shop", 3, "down"),
        ("till", 4, "down"),
    ]
    assert impact(api, of["power"], steps=2) == [("host a", 1, "down"), ("host b", 1, "down"), ("database", 2, "down")]
    assert impact(api, of["scanner"]) == [("till", 1, "down"), ("shop", 2, "down")]
    assert impact(api, of["shop"], "needed") == [
        ("database", 1, "down"),
        ("till", 1, "down"),
        ("cable", 2, "down"),
        ("host a", 2, "at_risk"),
        ("scanner", 2, "down"),
        ("host b", 3, "at_risk"),
        ("power", 3, "down"),
    ]
    assert impact(api, of["power"], "needed") == []


def test_relations_move_along_with_what_they_relate_and_hold_on_to_what_stays(api: Client) -> None:
    company, other = a_company(api)["id"], a_company(api)["id"]
    of = some_assets(api, "rack", "server", "shop", company_id=company)
    patch(api, f"assets/{of['server']}", parent_asset_id=of["rack"])
    inside, across = relate(api, of["server"], "runs_on", of["rack"]), relate(api, of["shop"], "runs_on", of["server"])

    answer = api.patch(f"/v1/assets/{of['rack']}", json={"company_id": other})
    held = get(api, f"assets/{of['rack']}")["company_id"]
    assert api.delete(f"/v1/asset-relations/{across['id']}").status_code == 204
    patch(api, f"assets/{of['rack']}", company_id=other)

    assert (answer.status_code, answer.json()["code"], held) == (409, "still_referenced", company)
    assert get(api, f"asset-relations/{inside['id']}")["company_id"] == other
    assert get(api, f"assets/{of['server']}")["company_id"] == other


def test_who_sees_some_clients_only_sees_their_relations_only(stage: Stage) -> None:
    with people(stage) as made:
        api, contact = made.api, made.client("contact")
        kind = create(api, "asset-types", name="Own")["id"]
        for which in (made.own, made.hidden):
            more = create(api, "assets", asset_type_id=kind, name="near", company_id=which["companies"])["id"]
            which["relation"] = relate(api, more, "depends_on", which["assets"])["id"]

        assert [hit[0] for hit in impact(contact, made.own["assets"])] == ["near"]
        assert contact.get(f"/v1/assets/{made.hidden['assets']}/impact").status_code == 404
        assert contact.get("/v1/asset-relations").json()["code"] == "missing_permission"
