"""Custom fields: what may be defined, what a value may be on every path, and who is shown it."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.people import People, people
from tests.contract.rows import contents
from tests.factories import a_company, a_contact, a_ticket, a_user, create, get, patch
from tests.inbound import MAPPING, a_hook, outcomes, send
from tests.jobs.webhooks import until
from tests.stage import Client, Stage

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def made(stage: Stage) -> Iterator[People]:
    """Give a tenant with people of every kind."""
    with people(stage) as found:
        yield found


def a_field(api: Client, resource: str, key: str, kind: str = "text", **values: object) -> JSON:
    """Define a field."""
    return create(api, "custom-fields", **{"resource": resource, "key": key, "type": kind, "label": key} | values)


def choices(*ids: str, **more: object) -> list[JSON]:
    """Give choices with these ids."""
    return [{"id": each, "label": each.title(), **more} for each in ids]


def refused(api: Client, method: str, path: str, body: JSON) -> tuple[int, str, str]:
    """Call and give status, code and the pointer of what was refused."""
    answer = api.request(method, f"/v1/{path}", json=body)
    problem = answer.json()
    return answer.status_code, problem["code"], (problem.get("errors") or [{"pointer": ""}])[0]["pointer"]


def names(api: Client, path: str) -> list[str]:
    """Give the names of a list."""
    return [each["name"] for each in get(api, path)["data"]]


def test_values_of_every_type_are_kept_in_one_spelling_and_merged_key_by_key(api: Client) -> None:
    user, other = a_user(api)["id"], a_company(api)["id"]
    place = create(api, "locations", company_id=other, name="Dock 3")["id"]
    given = {
        "note": ("text", "  Cafe\u0301 ", "Caf\u00e9"),
        "heads": ("number", 12.50, 12.5),
        "fee": ("money", {"amount": "1200.5000", "currency": "EUR"}, {"amount": "1200.50", "currency": "EUR"}),
        "since": ("date", "2026-03-01", "2026-03-01"),
        "called": ("datetime", "2026-03-01T10:00:00+02:00", "2026-03-01T08:00:00Z"),
        "signed": ("checkbox", True, True),
        "tier": ("select", "gold", "gold"),
        "days": ("multiselect", ["sunday", "monday"], ["monday", "sunday"]),
        "manager": ("user", user.upper(), user),
        "partner": ("company", other, other),
        "depot": ("location", place, place),
    }
    offered = {"tier": choices("gold", "silver"), "days": choices("monday", "sunday")}
    for key, (kind, _, _) in given.items():
        a_field(api, "companies", key, kind, choices=offered.get(key, []))

    card = a_company(api, custom_fields={key: value for key, (_, value, _) in given.items()})
    again = patch(api, f"companies/{card['id']}", custom_fields={"note": "Cafe\u0301", "heads": 12.5})
    after = patch(api, f"companies/{card['id']}", custom_fields={"tier": None, "heads": 13})

    stored = {key: kept for key, (_, _, kept) in sorted(given.items())}
    assert card["custom_fields"] == stored
    assert again["version"] == 1
    assert after["custom_fields"] == {key: value for key, value in stored.items() if key != "tier"} | {"heads": 13}
    assert after["version"] == 2
    assert get(api, f"companies/{card['id']}")["custom_fields"] == after["custom_fields"]


BAD_VALUES: dict[str, list[object]] = {
    "note": ["", "  ", 7, "x" * 2_001, "a\u0007b"],
    "heads": ["12", True, 1e12, 0.1234567],
    "fee": [12, {"amount": 12, "currency": "EUR"}, {"amount": "12", "currency": "eur"}, {"amount": "1,5"}],
    "since": ["01.03.2026", "2026-02-30", 20260301],
    "called": ["2026-03-01", "2026-03-01T10:00:00", 1_767_000_000],
    "signed": ["true", 1],
    "tier": ["bronze", ["gold"], ""],
    "days": ["monday", [], ["monday", "noday"]],
    "manager": ["nobody", 7],
}


def test_what_a_field_cannot_have_is_refused_at_its_place_on_every_path(stage: Stage, api: Client) -> None:
    kinds = ("text", "number", "money", "date", "datetime", "checkbox", "select", "multiselect", "user")
    offered = {"tier": choices("gold"), "days": choices("monday")}
    for key, kind in zip(BAD_VALUES, kinds, strict=True):
        a_field(api, "companies", key, kind, choices=offered.get(key, []))
    card = a_company(api)
    before = contents(stage, api.tenant.id)

    for key, values in BAD_VALUES.items():
        for value in values:
            body = {"custom_fields": {key: value}}
            wanted = (422, "invalid_custom_value", f"#/custom_fields/{key}")
            assert refused(api, "PATCH", f"companies/{card['id']}", body) == wanted, value
    body = {"custom_fields": {"tier": "bronze"}}
    unknown = {"custom_fields": {"nothing": 1}}
    assert [
        refused(api, "POST", "companies", {"name": "x"} | body),
        refused(api, "PUT", "companies/by-ref/crm/A-1", {"name": "x"} | body),
        refused(api, "POST", "companies", {"name": "x"} | unknown),
    ] == [
        (422, "invalid_custom_value", "#/custom_fields/tier"),
        (422, "invalid_custom_value", "#/custom_fields/tier"),
        (422, "unknown_custom_field", "#/custom_fields/nothing"),
    ]
    item = {"external_id": "A-1", "card": {"name": "x"} | body}
    (told,) = api.post("/v1/companies/upsert", json={"source": "crm", "items": [item]}).json()["items"]
    assert (told["outcome"], told["problem"]["errors"][0]["pointer"]) == ("error", "#/items/0/card/custom_fields/tier")
    assert contents(stage, api.tenant.id) == before


def test_a_field_names_nobody_of_another_tenant_nor_what_is_not_there_and_holds_what_it_names(
    stage: Stage, api: Client
) -> None:
    for kind in ("user", "company", "location"):
        a_field(api, "tickets", f"a_{kind}", kind)
    with stage.tenant() as foreign:
        company = a_company(foreign)["id"]
        theirs = {
            "a_user": a_user(foreign)["id"],
            "a_company": company,
            "a_location": create(foreign, "locations", company_id=company, name="x")["id"],
        }

        told = [
            refused(api, "POST", "tickets", {"subject": "x", "custom_fields": {key: each}})
            for key, each in [*theirs.items(), ("a_user", str(uuid4()))]
        ]

    mine = a_user(api)["id"]
    ticket = a_ticket(api, custom_fields={"a_user": mine})
    assert told == [
        (422, "unknown_reference", f"#/custom_fields/{key}") for key in ("a_user", "a_company", "a_location", "a_user")
    ]
    assert refused(api, "DELETE", f"users/{mine}", {})[:2] == (409, "still_referenced")
    patch(api, f"tickets/{ticket['id']}", custom_fields={"a_user": None})
    assert api.delete(f"/v1/users/{mine}").status_code == 204


def test_a_value_is_required_when_the_condition_comes_to_hold_and_old_gaps_hinder_nobody(api: Client) -> None:
    solved = {"field": "status", "op": "in", "value": ["solved", "closed"]}
    ticket, gap = a_ticket(api), a_ticket(api, status="solved")
    a_field(api, "tickets", "root_cause", required_when=solved)
    a_field(api, "tickets", "shift", "select", choices=choices("day", "night"))
    at_night = {"field": "custom_fields.shift", "op": "eq", "value": "night"}
    a_field(api, "tickets", "witness", required_when=at_night)
    wanted = (422, "required_custom_field", "#/custom_fields/root_cause")

    assert refused(api, "PATCH", f"tickets/{ticket['id']}", {"status": "solved"}) == wanted
    assert refused(api, "POST", "tickets", {"subject": "x", "status": "solved"}) == wanted
    assert patch(api, f"tickets/{gap['id']}", priority="high")["status"] == "solved"
    done = patch(api, f"tickets/{ticket['id']}", status="solved", custom_fields={"root_cause": "Dust"})
    assert done["custom_fields"] == {"root_cause": "Dust"}
    assert refused(api, "PATCH", f"tickets/{ticket['id']}", {"custom_fields": {"root_cause": None}}) == wanted
    night = {"custom_fields": {"shift": "night"}}
    assert refused(api, "PATCH", f"tickets/{gap['id']}", night)[2] == "#/custom_fields/witness"


def test_renaming_and_retiring_break_nothing_that_is_stored(api: Client) -> None:
    field = a_field(api, "companies", "tier", "select", choices=choices("gold", "silver"))
    card = a_company(api, custom_fields={"tier": "silver"})
    renamed = [{"id": "gold", "label": "Platinum"}, {"id": "silver", "label": "Silver", "is_retired": True}]

    patch(api, f"custom-fields/{field['id']}", choices=renamed, label="Level")
    assert patch(api, f"companies/{card['id']}", name="Kept")["custom_fields"] == {"tier": "silver"}
    assert patch(api, f"companies/{card['id']}", custom_fields={"tier": "silver"})["version"] == 2
    assert refused(api, "POST", "companies", {"name": "x", "custom_fields": {"tier": "silver"}})[1:] == (
        "retired_custom_field",
        "#/custom_fields/tier",
    )
    gone = {"choices": choices("gold")}
    assert refused(api, "PATCH", f"custom-fields/{field['id']}", gone) == (422, "invalid_choices", "#/choices")

    patch(api, f"custom-fields/{field['id']}", is_retired=True, required_when={"all": []})
    assert refused(api, "PATCH", f"companies/{card['id']}", {"custom_fields": {"tier": "gold"}})[1] == (
        "retired_custom_field"
    )
    assert a_company(api)["custom_fields"] == {}
    assert patch(api, f"companies/{card['id']}", custom_fields={"tier": None})["custom_fields"] == {}
    assert api.delete(f"/v1/custom-fields/{field['id']}").status_code == 405


def test_a_choice_goes_with_what_the_other_field_says(api: Client) -> None:
    a_field(api, "locations", "region", "select", choices=choices("north", "south"))
    depots = [{"id": "milan", "label": "Milan", "only_for": ["north"]}, {"id": "any", "label": "Any"}]
    a_field(api, "locations", "depot", "select", choices=depots, depends_on="region")
    path = f"locations/{create(api, 'locations', company_id=a_company(api)['id'], name='Dock')['id']}"
    wanted = (422, "choice_not_offered", "#/custom_fields/depot")

    assert refused(api, "PATCH", path, {"custom_fields": {"depot": "milan"}}) == wanted
    assert patch(api, path, custom_fields={"depot": "milan", "region": "north"})["version"] == 2
    assert refused(api, "PATCH", path, {"custom_fields": {"region": "south"}}) == wanted
    assert patch(api, path, custom_fields={"region": "south", "depot": "any"})["version"] == 3


def test_a_definition_makes_sense_or_is_refused(api: Client) -> None:
    a_field(api, "contacts", "tier", "select", choices=choices("gold"))
    base = {"resource": "contacts", "key": "level", "type": "select", "label": "Level", "choices": choices("a")}
    loose = [{"id": "a", "label": "A", "only_for": ["gold"]}]
    wrongs: list[JSON] = [
        {"key": "tier"},
        {"key": "Level"},
        {"choices": []},
        {"type": "text"},
        {"choices": [*choices("a"), *choices("a")]},
        {"depends_on": "nothing"},
        {"choices": loose},
        {"required_when": {"field": "custom_fields.nothing", "op": "is_empty"}},
    ]
    told = [refused(api, "POST", "custom-fields", base | wrong) for wrong in wrongs]
    one = a_field(api, "contacts", "one", "select", choices=choices("a"), depends_on="tier")
    ring = refused(api, "PATCH", f"custom-fields/{get(api, 'custom-fields?key=tier')['data'][0]['id']}", {
        "depends_on": "one"
    })  # fmt: skip

    assert [(code, pointer) for _, code, pointer in told] == [
        ("already_exists", "#/key"),
        ("validation_failed", "#/key"),
        ("invalid_choices", "#/choices"),
        ("invalid_choices", "#/choices"),
        ("invalid_choices", "#/choices"),
        ("invalid_dependency", "#/depends_on"),
        ("invalid_dependency", "#/choices/0/only_for"),
        ("unknown_condition_field", "#/required_when/field"),
    ]
    assert ring == (422, "invalid_dependency", "#/depends_on")
    assert refused(api, "PATCH", f"custom-fields/{one['id']}", {"type": "text"})[:2] == (422, "validation_failed")


def test_what_belongs_to_sales_is_shown_to_sales_and_to_nobody_else_whichever_way_it_is_asked_for(
    made: People,
) -> None:
    api, sync = made.api, made.client("crm_sync")
    a_field(api, "companies", "margin", "number", group="commercial")
    a_field(api, "companies", "gate", group="everybody")
    a_field(api, "companies", "mood", group="internal")
    own = made.own["companies"]
    patch(api, f"companies/{own}", custom_fields={"margin": 12, "gate": "4711", "mood": "calm"})
    patch(api, f"companies/{own}", custom_fields={"margin": 13})
    made.settle()

    def told(client: Client) -> list[Any]:
        listed = get(client, f"events?object_id={own}&type=company.updated")["data"]
        return [event["changes"].get("custom_fields") for event in listed]

    seen = {name: get(made.client(name), f"companies/{own}")["custom_fields"] for name in ("agent", "contact")}
    assert seen == {"agent": {"gate": "4711", "mood": "calm"}, "contact": {"gate": "4711"}}
    assert get(sync, f"companies/{own}")["custom_fields"] == {"gate": "4711", "margin": 13, "mood": "calm"}
    assert told(sync)[-1] == [
        {"gate": "4711", "margin": 12, "mood": "calm"},
        {"gate": "4711", "margin": 13, "mood": "calm"},
    ]
    supervisor = made.client("supervisor")
    assert told(supervisor)[-2:] == [[{}, {"gate": "4711", "mood": "calm"}], None]
    assert refused(supervisor, "PATCH", f"companies/{own}", {"custom_fields": {"margin": 1}}) == (
        403,
        "field_not_allowed",
        "#/custom_fields/margin",
    )
    for query in ("custom_field=margin:13", "sort=custom_fields.margin"):
        answer = supervisor.get(f"/v1/companies?{query}")
        assert (answer.status_code, answer.json()["code"]) == (403, "field_not_allowed")
    listed = {name: get(made.client(name), "custom-fields?resource=companies")["data"] for name in ("contact", "agent")}
    groups = {name: {each["key"]: each["group"] for each in fields} for name, fields in listed.items()}
    assert groups["agent"].items() >= {"margin": "commercial", "gate": "everybody", "mood": "internal"}.items()
    assert {"gate"} <= groups["contact"].keys() <= groups["agent"].keys() - {"margin", "mood"}


def test_lists_are_narrowed_and_sorted_by_custom_fields_and_pages_neither_overlap_nor_leave_gaps(api: Client) -> None:
    a_field(api, "companies", "heads", "number")
    a_field(api, "companies", "fee", "money")
    a_field(api, "companies", "since", "date")
    a_field(api, "companies", "days", "multiselect", choices=choices("monday", "sunday"))
    for number in range(7):
        values: JSON = {
            "heads": number // 2,
            "since": f"2026-03-0{number + 1}",
            "fee": {"amount": f"{number}.50", "currency": "EUR"},
            "days": ["monday", "sunday"] if number % 2 else ["monday"],
        }
        a_company(api, name=f"C{number}", custom_fields=values)
    a_company(api, name="None")

    assert names(api, "companies?sort=name&custom_field=heads:1") == ["C2", "C3"]
    assert names(api, "companies?sort=name&custom_field=heads:1&custom_field=heads:3") == ["C2", "C3", "C6"]
    assert names(api, "companies?sort=name&custom_field=days:sunday&custom_field=heads:gte:1") == ["C3", "C5"]
    assert names(api, "companies?sort=name&custom_field=since:gt:2026-03-05") == ["C5", "C6"]
    assert names(api, "companies?custom_field=fee:2.5") == ["C2"]
    assert names(api, "companies?sort=-custom_fields.fee") == [f"C{number}" for number in range(6, -1, -1)]
    pages, cursor = [], ""
    while cursor is not None:
        page = get(api, f"companies?sort=custom_fields.heads,name&limit=2&cursor={cursor}".removesuffix("&cursor="))
        pages += [each["name"] for each in page["data"]]
        cursor = page["page"]["next_cursor"]
    assert pages == [f"C{number}" for number in range(7)]
    for query, code in (
        ("custom_field=nothing:1", "unknown_custom_field"),
        ("custom_field=heads:many", "invalid_custom_value"),
        ("sort=custom_fields.days", "invalid_custom_value"),
        ("sort=custom_fields.nothing", "unknown_custom_field"),
    ):
        answer = api.get(f"/v1/companies?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, code)


CONDITIONS = (
    ({"field": "custom_fields.heads", "op": "gte", "value": 2.5}, ["B"]),
    ({"field": "custom_fields.fee.amount", "op": "lt", "value": 10}, ["A"]),
    ({"field": "custom_fields.fee.currency", "op": "eq", "value": "usd"}, ["B"]),
    ({"field": "custom_fields.since", "op": "lte", "value": "2026-03-01"}, ["A"]),
    ({"field": "custom_fields.signed", "op": "eq", "value": "true"}, ["B"]),
    ({"field": "custom_fields.days", "op": "contains", "value": "sunday"}, ["A"]),
    ({"field": "custom_fields.note", "op": "contains", "value": "\u041b\u0418\u0424"}, ["A"]),
    ({"field": "custom_fields.tier", "op": "is_empty"}, ["B", "C"]),
    ({"not": {"field": "custom_fields.tier", "op": "eq", "value": "gold"}}, ["B", "C"]),
)


def test_conditions_of_search_and_rules_mean_the_same_of_custom_fields(api: Client) -> None:
    kinds = {"heads": "number", "fee": "money", "since": "date", "signed": "checkbox", "note": "text"}
    for key, kind in kinds.items():
        a_field(api, "tickets", key, kind)
    a_field(api, "tickets", "tier", "select", choices=choices("gold"))
    a_field(api, "tickets", "days", "multiselect", choices=choices("sunday"))
    for place, (condition, _) in enumerate(CONDITIONS):
        create(api, "rules", name=f"R{place}", position=place, state="published", occasions=["created"],
               condition=condition, actions=[{"action": "add_tags", "tags": [f"r{place}"]}])  # fmt: skip
    money = {"amount": "9.99", "currency": "EUR"}
    first = {"heads": 2, "fee": money, "since": "2026-03-01", "note": "\u043b\u0438\u0444\u0442", "tier": "gold"}
    bodies = {
        "A": first | {"days": ["sunday"]},
        "B": {"heads": 2.5, "fee": {"amount": "10", "currency": "USD"}, "signed": True, "since": "2026-03-02"},
        "C": {},
    }

    tags = {name: a_ticket(api, subject=name, custom_fields=values)["tags"] for name, values in bodies.items()}

    for place, (condition, wanted) in enumerate(CONDITIONS):
        answer = api.post("/v1/tickets/search?sort=number", json={"condition": condition})
        assert [each["subject"] for each in answer.json()["data"]] == wanted, condition
        assert [name for name in bodies if f"r{place}" in tags[name]] == wanted, condition
    assert {each["code"] for each in get(api, "rules/analysis")["data"]} <= {"never_reached"}
    never = {"all": [{"field": "custom_fields.heads", "op": op, "value": 2.5} for op in ("gt", "lt")]}
    rule = {"name": "N", "position": 99, "state": "published", "occasions": ["created"], "condition": never,
            "actions": [{"action": "add_tags", "tags": ["n"]}]}  # fmt: skip
    assert refused(api, "POST", "rules", rule)[:2] == (422, "rule_never_fires")
    fields = {each["path"]: each for each in get(api, "condition-fields")["data"]}
    assert (fields["custom_fields.tier"]["choices"], fields["custom_fields.tier"]["field_group"]) == (
        ["gold"],
        "ticket.internal",
    )


def test_an_inbound_hook_fills_custom_fields_and_fails_visibly_where_they_are_wrong(api: Client) -> None:
    a_field(api, "tickets", "rack", "select", choices=choices("r1"))
    hook = a_hook(api, mapping=MAPPING | {"custom_fields": "{rack: body.rack}"})

    sent = [send(api, hook, {"id": f"disk-{each}", "text": "Full", "rack": each}) for each in ("r1", "r9", None)]

    assert [outcomes(each) for each in sent] == [["opened"], ["failed"], ["opened"]]
    assert [each["custom_fields"] for each in get(api, "tickets?sort=number")["data"]] == [{"rack": "r1"}, {}]


def test_custom_fields_of_a_card_go_with_its_person_and_are_in_the_export(stage: Stage, api: Client) -> None:
    a_field(api, "contacts", "hobby")
    person = a_contact(api, custom_fields={"hobby": "Chess with Luca Ferri"})

    exported = get(api, f"contacts/{person['id']}/export")

    assert exported["person"]["custom_fields"] == {"hobby": "Chess with Luca Ferri"}
    (created,) = [each for each in exported["events"] if each["type"] == "contact.created"]
    assert created["changes"]["custom_fields"] == [None, {"hobby": "Chess with Luca Ferri"}]
    rows = "SELECT count(*) AS kept FROM custom_field_values WHERE tenant_id = $1"
    assert stage.sql(rows, api.tenant.id)[0]["kept"] == 1
    assert api.post(f"/v1/contacts/{person['id']}/erase", json={"reason": "By letter."}).status_code == 202
    until(lambda: stage.sql(rows, api.tenant.id)[0]["kept"] == 0 or None)
    assert get(api, f"contacts/{person['id']}")["custom_fields"] == {}
