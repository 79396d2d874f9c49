"""Files: uploaded whole or not at all, hung on tickets and comments, downloaded as they were and run by nobody."""

import hashlib
import random
import socket
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

import pytest

from helpdesk_api.files.links import link_to
from helpdesk_api.kit.context import Cause, Principal
from helpdesk_api.kit.tokens import read_key
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.contract.file_bodies import uploaded
from tests.factories import Json, a_contact, a_reply, a_ticket, a_user, create, get
from tests.jobs.test_erasure import erased
from tests.retention import apply_rules
from tests.stage import Client, Stage

CHUNK = 262_144


def told(stage: Stage, api: Client, file: Json) -> list[str]:
    """Give the types of what was recorded of a file."""
    rows = stage.sql("SELECT type FROM events WHERE object_id = $1 ORDER BY xid, seq", UUID(file["id"]))
    return [row["type"] for row in rows]


def stored(stage: Stage, api: Client) -> tuple[int, int]:
    """Count the files of a tenant, and the pieces of their content."""
    counts = [
        stage.sql(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", api.tenant.id)[0][0]  # noqa: S608 - ours.
        for table in ("files", "file_chunks")
    ]
    return counts[0], counts[1]


@pytest.fixture
def portal(stage: Stage, api: Client) -> Iterator[Client]:
    """Give a contact's client."""
    roles = {role["slug"]: role["id"] for role in get(api, "roles?limit=200")["data"]}
    contact = a_contact(api, portal_role_id=roles["contact"])
    key = create(api, "api-keys", name="portal", contact_id=contact["id"])["key"]
    with stage.client(api.tenant, key) as client:
        yield client


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 5 * CHUNK + 7])
def test_a_download_equals_the_upload_byte_for_byte(stage: Stage, api: Client, size: int) -> None:
    content = random.Random(size).randbytes(size)
    digest = hashlib.sha256(content).hexdigest()

    file = uploaded(api, content, "dump.bin")
    answer = api.get(f"/v1/files/{file['id']}/content")

    assert (file["size_bytes"], file["sha256"]) == (size, digest)
    assert answer.content == content
    assert answer.headers["content-length"] == str(size)
    assert stored(stage, api) == (1, -(-size // CHUNK))
    again = api.get(f"/v1/files/{file['id']}/content", headers={"if-none-match": f'"{digest}"'})
    assert (again.status_code, again.content) == (304, b"")


def test_a_download_is_saved_and_run_by_nobody_whatever_it_says_that_it_is(api: Client) -> None:
    page = b"<!doctype html><script>alert(1)</script>"
    answer = api.post("/v1/files", params={"name": "x.html"}, content=page, headers={"content-type": "text/html"})

    headers = api.get(f"/v1/files/{answer.json()['id']}/content").headers

    assert (answer.json()["media_type"], answer.json()["detected_media_type"]) == ("text/html", "text/html")
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment; filename=\"x.html\"; filename*=UTF-8''x.html"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["x-content-type-options"] == "nosniff"


def test_hostile_names_come_out_harmless_and_are_offered_in_one_header(api: Client) -> None:
    names = {
        "../../etc/passwd": "passwd",
        "a\r\nSet-Cookie: x=1\r\n\r\n<b>": "aSet-Cookie: x=1<b>",
        "x\x00.png": "x.png",
        "\u202egnp.exe": "gnp.exe",
        'a"; filename="b.exe': 'a"; filename="b.exe',
        "отчёт%0d.pdf": "отчёт%0d.pdf",
        "x" * 300 + ".pdf": "x" * 196 + ".pdf",
    }

    for given, kept in names.items():
        file = uploaded(api, b"x", given)
        headers = api.get(f"/v1/files/{file['id']}/content").headers
        offered = headers["content-disposition"]

        assert file["name"] == kept
        assert "set-cookie" not in headers
        assert offered.endswith(f"filename*=UTF-8''{quote(kept, safe='')}")
        assert offered.count('"') == 2
        assert offered.isascii()


def test_files_hang_on_a_ticket_and_on_a_comment_which_show_them(stage: Stage, api: Client) -> None:
    one, other, third = (uploaded(api, name=f"{number}.log") for number in range(3))

    ticket = a_ticket(api, file_ids=[other["id"], one["id"]])
    reply = a_reply(api, ticket, author_user_id=a_user(api)["id"], file_ids=[third["id"]])

    shown = [
        {name: file[name] for name in ("id", "name", "media_type", "size_bytes", "sha256")} for file in (one, other)
    ]
    assert ticket["attachments"] == shown
    assert get(api, f"tickets/{ticket['id']}")["attachments"] == shown
    assert get(api, "tickets")["data"][0]["attachments"] == shown
    assert [each["id"] for each in reply["attachments"]] == [third["id"]]
    assert get(api, f"tickets/{ticket['id']}/comments")["data"] == [reply]
    hung = get(api, f"files/{third['id']}")
    assert (hung["ticket_id"], hung["comment_id"], hung["version"]) == (ticket["id"], reply["id"], 2)
    assert told(stage, api, third) == ["file.created", "file.attached"]


def test_a_file_hangs_on_one_thing_and_is_hung_there_by_its_uploader(api: Client, portal: Client) -> None:
    hung, theirs = uploaded(api), uploaded(portal)
    ticket = a_ticket(api, file_ids=[hung["id"]])

    for file in (hung, theirs):
        answer = api.post("/v1/tickets", json={"subject": "Again", "file_ids": [file["id"]]})

        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_reference")
        assert answer.json()["errors"][0]["pointer"] == "#/file_ids/0"
    assert [each["id"] for each in get(api, "tickets")["data"]] == [ticket["id"]]
    assert api.get(f"/v1/files/{theirs['id']}").status_code == 404
    assert portal.get(f"/v1/files/{hung['id']}").status_code == 404


def test_a_file_that_hangs_on_something_is_taken_away_by_who_may_change_tickets(
    stage: Stage, api: Client, portal: Client
) -> None:
    own, kept, gone = uploaded(portal), uploaded(portal), uploaded(portal)
    ticket = create(portal, "tickets", subject="Blank labels", file_ids=[kept["id"], gone["id"]])

    assert portal.delete(f"/v1/files/{own['id']}").status_code == 204
    refused = portal.delete(f"/v1/files/{gone['id']}")
    done = api.delete(f"/v1/files/{gone['id']}")

    assert (refused.status_code, refused.json()["code"]) == (403, "missing_permission")
    assert done.status_code == 204
    left = get(portal, f"tickets/{ticket['id']}")
    assert ([each["id"] for each in left["attachments"]], left["version"]) == ([kept["id"]], ticket["version"] + 1)
    assert told(stage, api, gone) == ["file.created", "file.attached", "file.deleted"]
    assert stored(stage, api) == (1, 1)


def test_a_link_downloads_one_file_for_whoever_asked_and_only_as_long_as_that_one_may(
    stage: Stage, api: Client
) -> None:
    file, other = uploaded(api, b"x"), uploaded(api, b"y")
    made = create(api, "api-keys", name="browser", user_id=a_user(api, role_id=admin_of(api))["id"])
    with stage.client(api.tenant, made["key"]) as browser:
        ticket = a_ticket(api, file_ids=[file["id"]])
        path = browser.post(f"/v1/files/{file['id']}/links").json()["path"]
        del browser.headers["authorization"]

        good = browser.get(path)
        wrong = [browser.get(path.replace(file["id"], other["id"])), browser.get(path[:-2]), browser.get(f"{path}A")]
        api.delete(f"/v1/files/{file['id']}")
        gone = browser.get(path)
        api.post(f"/v1/api-keys/{made['id']}/revoke")
        ended = browser.get(path)

    assert ticket["attachments"]
    assert (good.status_code, good.content) == (200, b"x")
    assert {(answer.status_code, answer.json()["code"]) for answer in wrong} == {(401, "unauthenticated")}
    assert gone.status_code == 404
    assert ended.status_code == 401


def test_a_link_ends_after_five_minutes(stage: Stage, api: Client) -> None:
    file = uploaded(api)
    token = read_key(api.key)
    assert token is not None

    async def link_made(age: timedelta) -> str:
        principal = Principal("api_key", token.key_id, api.tenant.id)
        async with unit_of_work(stage.runtime, principal, cause=Cause("job", "x"), request_id="x") as ctx:
            object.__setattr__(ctx, "real_now", ctx.real_now - age)
            return link_to(ctx, stage.runtime, UUID(file["id"]), token).path

    old, young = (stage.run(link_made(timedelta(minutes=minutes))) for minutes in (5, 3))
    del api.headers["authorization"]
    assert (api.get(old).status_code, api.get(young).status_code) == (401, 200)


def test_what_is_too_large_or_breaks_off_leaves_nothing(stage: Stage, api: Client) -> None:
    head = f"POST /v1/files?name=x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"

    with connected(api) as connection:
        connection.sendall(f"{head}Content-Length: {25 * 2**20 + 1}\r\nExpect: 100-continue\r\n\r\n".encode())
        refused = b""
        while part := connection.recv(65_536):
            refused += part
    with connected(api) as connection:
        connection.sendall(f"{head}Content-Length: 3000000\r\n\r\n".encode() + b"x" * 2_000_000)
    file = uploaded(api)

    assert refused.startswith(b"HTTP/1.1 413")
    assert b'"code":"body_too_large"' in refused
    assert stored(stage, api) == (1, 1)
    assert get(api, f"files/{file['id']}")["id"] == file["id"]


def test_who_attaches_nothing_may_not_go_on_uploading(stage: Stage, api: Client) -> None:
    file = uploaded(api)
    copies = """
    INSERT INTO files SELECT tenant_id, gen_random_uuid(), name, media_type, detected_media_type, size_bytes, sha256,
        uploaded_by_type, uploaded_by_id, NULL, NULL, NULL, created_at, updated_at, 1
    FROM files, generate_series(1, 99) WHERE id = $1
    """
    stage.sql(copies, UUID(file["id"]))

    answer = api.post("/v1/files", params={"name": "x"}, content=b"x")

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_unattached_files")


def test_what_nobody_has_attached_is_deleted_after_a_day(stage: Stage, api: Client) -> None:
    old, hung = uploaded(api), uploaded(api)
    a_ticket(api, file_ids=[hung["id"]])
    stage.sql("UPDATE files SET created_at = now() - interval '25 hours' WHERE tenant_id = $1", api.tenant.id)
    young = uploaded(api)

    run = apply_rules(api)

    assert run["counts"] == {"unattached_files": 1}
    assert [api.get(f"/v1/files/{file['id']}").status_code for file in (old, hung, young)] == [404, 200, 200]
    assert told(stage, api, old) == ["file.created", "file.deleted"]
    assert stored(stage, api) == (2, 2)


def test_files_of_an_erased_contact_go_with_their_content(stage: Stage, api: Client) -> None:
    contact, user = a_contact(api), a_user(api)
    theirs, answer = uploaded(api, name="passport.jpg"), uploaded(api)
    ticket = a_ticket(api, contact_id=contact["id"], file_ids=[theirs["id"]])
    reply = a_reply(api, ticket, author_user_id=user["id"], file_ids=[answer["id"]])

    erased(api, f"contacts/{contact['id']}", messages="redact")

    assert api.get(f"/v1/files/{theirs['id']}").status_code == 404
    assert get(api, f"tickets/{ticket['id']}")["attachments"] == []
    assert get(api, f"tickets/{ticket['id']}/comments/{reply['id']}")["attachments"] == reply["attachments"]
    assert stored(stage, api) == (1, 1)
    assert "passport" not in str(stage.sql("SELECT * FROM events WHERE tenant_id = $1", api.tenant.id))


def test_events_of_files_are_for_those_who_read_notes_and_tell_no_name(stage: Stage, api: Client) -> None:
    a_ticket(api, file_ids=[uploaded(api, name="salaries.xlsx")["id"]])
    last = a_contact(api)
    scopes = ("files:read", "tickets:read", "contacts:read", "events:read")
    with stage.client(api.tenant, stage.key(api.tenant, scopes)) as without_notes:
        while last["id"] not in without_notes.get("/v1/events", params={"limit": 200}).text:
            pass
        narrow = without_notes.get("/v1/events", params={"limit": 200})
    wide = api.get("/v1/events", params={"limit": 200})

    types = [[event["type"] for event in answer.json()["data"]] for answer in (narrow, wide)]
    assert [[name for name in names if name.startswith("file.")] for names in types] == [
        [],
        ["file.created", "file.attached"],
    ]
    assert "salaries" not in wide.text


def admin_of(api: Client) -> str:
    """Give the id of the role of administrators."""
    return next(str(role["id"]) for role in get(api, "roles?limit=200")["data"] if role["slug"] == "admin")


def connected(api: Client) -> socket.socket:
    """Connect to the server."""
    return socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=10)
