"""Recognising keys inside one process, where headers differ but the key does not."""

from dataclasses import replace
from typing import Any, cast

from helpdesk_api.identity.authentication import BearerAuthenticator
from helpdesk_api.kit.context import Principal
from tests.stage import Client, Stage

_NO_DATABASE = cast("Any", None)


def test_a_key_is_remembered_once_however_its_header_is_padded(stage: Stage, api: Client) -> None:
    authenticate = BearerAuthenticator()
    believing = replace(stage.runtime, db=_NO_DATABASE)

    async def recognise() -> tuple[Principal, Principal]:
        return (
            await authenticate(stage.runtime, f"Bearer {api.key}", None),
            await authenticate(believing, f"bearer {' ' * 1_000}{api.key}", None),
        )

    looked_up, remembered = stage.run(recognise())

    assert remembered is looked_up
