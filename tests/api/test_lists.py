"""Lists and conditional reads over HTTP, with values as long as they may be and neighbours that change."""

from tests.factories import a_company, a_ticket, create, get, patch
from tests.stage import Client

_LONG_NAME = "\N{OFFICE BUILDING}" * 199


def test_the_cursor_behind_the_longest_name_can_be_sent_back(api: Client) -> None:
    first, second = (a_company(api, name=f"{_LONG_NAME}{number}") for number in (1, 2))

    page = get(api, "companies?sort=name&limit=1")
    following = api.get("/v1/companies", params={"sort": "name", "limit": "1", "cursor": page["page"]["next_cursor"]})

    assert [item["id"] for item in page["data"]] == [first["id"]]
    assert following.status_code == 200, following.text
    assert [item["id"] for item in following.json()["data"]] == [second["id"]]


def test_the_cursor_behind_the_longest_url_can_be_sent_back(api: Client) -> None:
    stem = "http://127.0.0.1:9/" + "a" * 2_028
    for number in (1, 2):
        create(api, "webhook-endpoints", url=f"{stem}{number}")

    page = get(api, "webhook-endpoints?sort=url&limit=1")
    following = api.get(
        "/v1/webhook-endpoints", params={"sort": "url", "limit": "1", "cursor": page["page"]["next_cursor"]}
    )

    assert following.status_code == 200, following.text
    assert [item["url"] for item in following.json()["data"]] == [f"{stem}2"]


def test_what_is_sent_along_may_have_changed_although_the_object_has_not(api: Client) -> None:
    company = a_company(api)
    ticket = a_ticket(api, company_id=company["id"])
    path = f"/v1/tickets/{ticket['id']}"
    known = {"if-none-match": api.get(path).headers["etag"]}
    patch(api, f"companies/{company['id']}", name="Alpine Dairy")

    alone = api.get(path, headers=known)
    with_company = api.get(path, params={"include": "company"}, headers=known)

    assert alone.status_code == 304
    assert with_company.json()["included"]["companies"][company["id"]]["name"] == "Alpine Dairy"
