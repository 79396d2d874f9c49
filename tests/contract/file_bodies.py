"""Files for the contract suite, and bodies that hang them on something."""

from tests.contract.bodies import JSON, note, ticket
from tests.stage import Client, Stage

TEXT = b"17:02 E0417 paper jam at dock 3"


def uploaded(api: Client, content: bytes = TEXT, name: str = "printer.log") -> JSON:
    """Upload a file that hangs on nothing yet."""
    answer = api.post("/v1/files", params={"name": name}, content=content, headers={"content-type": "text/plain"})
    assert answer.status_code == 201, answer.text
    file: JSON = answer.json()
    return file


def a_file(_: Stage, api: Client) -> str:
    """Upload a file; gives its path."""
    return f"/v1/files/{uploaded(api)['id']}"


def ticket_with_file(api: Client) -> JSON:
    """Give a ticket that brings a file."""
    return ticket(api) | {"file_ids": [uploaded(api)["id"]]}


def note_with_file(api: Client) -> JSON:
    """Give a note that brings a file."""
    return note(api) | {"file_ids": [uploaded(api)["id"]]}
