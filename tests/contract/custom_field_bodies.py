"""Definitions of custom fields, and values of one that any kind of object can be given."""

from itertools import count

from tests.factories import Json, create
from tests.stage import Client

_numbers = count(1)


def extended(api: Client, plural: str) -> Json:
    """Give values of a custom field that objects of a kind have from now on, if they did not have it."""
    field = {"resource": plural, "key": "tier", "type": "text", "label": "Tier", "group": "everybody"}
    assert api.post("/v1/custom-fields", json=field).status_code in {201, 409}
    return {"tier": "gold"}


def custom_field(api: Client) -> Json:
    """Give a field to choose from that depends on another one."""
    decider = create(
        api,
        "custom-fields",
        resource="locations",
        key=f"decider_{next(_numbers)}",
        type="select",
        label="Region",
        choices=[{"id": "north", "label": "North"}],
    )["key"]
    return {
        "resource": "locations",
        "key": f"field_{next(_numbers)}",
        "type": "select",
        "label": "Depot",
        "description": "Where parts come from.",
        "group": "internal",
        "position": 10,
        "required_when": {"field": "kind", "op": "eq", "value": "no such kind"},
        "choices": [{"id": "milan", "label": "Milan", "is_retired": False, "only_for": ["north"]}],
        "depends_on": decider,
        "is_retired": False,
    }
