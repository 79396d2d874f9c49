"""National holidays in calendars over HTTP."""

from tests.conftest import MakeSandbox
from tests.factories import Json, a_calendar, get, patch
from tests.stage import Client

ITALY = {"country": "IT", "subdivision": "RM", "first_year": 2026, "last_year": 2026, "language": "en_US"}


def take(api: Client, calendar: Json, **values: object) -> Json:
    answer = api.post(f"/v1/calendars/{calendar['id']}/national-holidays", json=ITALY | values)
    assert answer.status_code == 200, answer.text
    changes: Json = answer.json()
    return changes


def refresh(api: Client, calendar: Json, **values: object) -> Json:
    answer = api.post(f"/v1/calendars/{calendar['id']}/refresh-holidays", json=values)
    assert answer.status_code == 200, answer.text
    changes: Json = answer.json()
    return changes


def dates(entries: list[Json]) -> list[str]:
    return [entry["on"] for entry in entries]


def test_the_holidays_of_a_part_of_a_country_are_taken_over_by_name(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)

    changes = take(api, calendar)

    shown = get(api, f"calendars/{calendar['id']}")
    assert (changes["applied"], changes["version"], changes["removed"]) == (True, 2, [])
    assert shown["holidays"] == changes["added"]
    assert {"on": "2026-04-06", "name": "Easter Monday", "start": None, "end": None, "source": "national"} in (
        shown["holidays"]
    )
    # Saints Peter and Paul is kept in Rome only.
    assert "2026-06-29" in dates(shown["holidays"])
    assert shown["national_holidays"] == ITALY | {"categories": ["public"]}


def test_a_dry_run_tells_the_same_and_changes_nothing(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)

    rehearsed = take(api, calendar, dry_run=True)

    assert get(api, f"calendars/{calendar['id']}") == calendar
    applied = take(api, calendar)
    assert (rehearsed["applied"], rehearsed["version"]) == (False, 1)
    assert rehearsed["added"] == applied["added"]


def test_what_a_calendar_says_of_a_date_itself_overrides_the_national_holiday(sandbox: MakeSandbox) -> None:
    api = sandbox()
    morning = {"on": "2026-04-25", "name": "Half open", "start": "13:00", "end": "24:00", "source": "own"}
    worked = {"on": "2026-05-01", "name": "Emergency duty", "hours": [{"start": "09:00", "end": "17:00"}]}
    calendar = a_calendar(api, holidays=[morning], special_hours=[worked])

    changes = take(api, calendar)

    assert dates(changes["overridden"]) == ["2026-04-25", "2026-05-01"]
    assert [entry for entry in get(api, f"calendars/{calendar['id']}")["holidays"] if entry["on"] < "2026-05-02"] == [
        *changes["added"][:4],
        morning,
    ]


def test_a_refresh_puts_back_what_was_lost_and_tells_so(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    take(api, calendar)
    taken = get(api, f"calendars/{calendar['id']}")["holidays"]
    invented = {"on": "2026-03-03", "name": "Abolished since", "source": "national"}
    patch(api, f"calendars/{calendar['id']}", holidays=[*taken[1:], invented])

    changes = refresh(api, calendar)

    assert (dates(changes["added"]), dates(changes["removed"])) == (["2026-01-01"], ["2026-03-03"])
    assert get(api, f"calendars/{calendar['id']}")["holidays"] == taken
    again = refresh(api, calendar)
    assert (again["added"], again["removed"], again["version"]) == ([], [], changes["version"])


def test_a_refresh_may_go_on_to_later_years(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    take(api, calendar)

    changes = refresh(api, calendar, last_year=2027)

    assert {on[:4] for on in dates(changes["added"])} == {"2027"}
    assert get(api, f"calendars/{calendar['id']}")["national_holidays"]["last_year"] == 2027


def test_a_calendar_without_national_holidays_cannot_be_refreshed(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)

    refused = api.post(f"/v1/calendars/{calendar['id']}/refresh-holidays", json={})

    assert (refused.status_code, refused.json()["code"]) == (409, "no_national_holidays")


def test_what_is_not_known_is_refused_with_what_is(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    path = f"/v1/calendars/{calendar['id']}/national-holidays"

    for wrong, pointer in (
        ({"country": "XX"}, "#/country"),
        ({"subdivision": "XX"}, "#/subdivision"),
        ({"categories": ["public", "half_day"]}, "#/categories/1"),
        ({"language": "tlh"}, "#/language"),
    ):
        refused = api.post(path, json=ITALY | wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_holidays")
        assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert "RM" in api.post(path, json=ITALY | {"subdivision": "XX"}).json()["detail"]
    assert get(api, f"calendars/{calendar['id']}") == calendar


def test_no_more_years_are_taken_than_anyone_plans_for(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)

    refused = api.post(f"/v1/calendars/{calendar['id']}/national-holidays", json=ITALY | {"last_year": 2046})

    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")


def test_the_countries_are_listed_with_their_parts(sandbox: MakeSandbox) -> None:
    countries = {row["country"]: row["subdivisions"] for row in get(sandbox(), "holiday-countries")["data"]}

    assert "RM" in countries["IT"]
    assert len(countries) > 150
