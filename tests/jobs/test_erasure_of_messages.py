"""Erasing a person from messages that other systems have sent."""

import json

from tests.factories import get
from tests.inbound import a_hook, send
from tests.jobs.test_erasure import a_canary, erased, everywhere
from tests.stage import Client, Stage


def test_messages_of_other_systems_are_searched_however_they_write_a_letter(stage: Stage, api: Client) -> None:
    person = a_canary(api)
    hook = a_hook(api)
    text, who = rb"The box of quirina.zabellini\u0040canary.example is full", rb"Qu\u0069rina Zabellini"
    body = b'{"id": "a", "text": "%b", "who": "%b"}' % (text, who)
    message_id = send(api, hook, body)["message_id"]

    done = erased(api, f"contacts/{person['id']}")

    left = json.loads(get(api, f"inbound-messages/{message_id}")["body"])
    assert left == {"id": "a", "text": "The box of [erased] is full", "who": "[erased]"}
    assert done["counts"]["inbound_messages"] == 1
    assert everywhere(stage, api, "zabellini") == []
