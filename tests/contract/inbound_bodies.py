"""What comes in through hooks: a body that says everything of one, its token, and a message it took."""

from tests.contract.bodies import JSON, create, unique
from tests.stage import Client, Stage

MAPPING: JSON = {
    "items": "body.alerts",
    "dedupe_key": "item.id",
    "state": "item.state",
    "subject": "item.text",
    "description": "item.more",
    "note": "item.note",
    "priority": "item.priority",
    "type": "item.type",
    "team_id": "item.team_id",
    "team_name": "item.team",
    "company_id": "item.company_id",
    "company_domain": "item.domain",
    "company_source": "'crm'",
    "company_external_id": "item.client",
    "tags": "item.tags",
    "custom_fields": "item.fields",
    "card": "{name: item.name}",
    "card_kind": "item.kind",
    "card_source": "'crm'",
    "card_external_id": "item.id",
    "card_action": "item.action",
    "card_updated_at": "item.changed_at",
}


def inbound_hook(api: Client) -> JSON:
    """Give a hook that says everything itself."""
    del api
    return {
        "name": unique("Hook"),
        "is_enabled": True,
        "preset": "zabbix",
        "mapping": MAPPING,
        "on_recovery": "solve",
        "signature": {
            "scheme": "hmac",
            "header": "X-Signature",
            "encoding": "base64",
            "prefix": "v1=",
            "timestamp_header": "X-Timestamp",
            "timestamp_separator": ".",
            "secret": "nine geese under Grado",
        },
    }


def token_of_a_hook(stage: Stage, api: Client) -> dict[str, str]:
    """Give the token of a hook that takes what nobody has signed."""
    del stage
    made = create(api, "inbound-hooks", name=unique("Hook"), mapping={"dedupe_key": "body.id", "subject": "body.text"})
    return {"token": made["token"]}


def inbound_message(stage: Stage, api: Client) -> str:
    """Send a message that cannot be mapped, so that it can be tried again, after one that can."""
    path = f"/v1/inbound/{token_of_a_hook(stage, api)['token']}"
    assert api.post(path, json={"id": unique("alert"), "text": "The disk is full."}).status_code == 202
    answer = api.post(path, json={"id": unique("alert")})
    assert answer.status_code == 202, answer.text
    return f"/v1/inbound-messages/{answer.json()['message_id']}"
