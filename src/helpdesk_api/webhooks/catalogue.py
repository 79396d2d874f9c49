"""What integrators look up before they listen: every type of event with its schema, and where messages come from.

Both come from what the product itself uses: the catalogue that the OpenAPI document is made of, and the settings.
"""

from copy import deepcopy
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field, JsonValue

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.payload_versions import PAYLOAD_VERSIONS, PayloadVersion, PayloadVersionName


class EventTypeShown(Output):
    """One kind of event."""

    type: Annotated[str, Field(examples=["ticket.created"])]
    object_type: Annotated[str, Field(examples=["ticket"])]
    description: str
    since: Annotated[str, Field(description="The first version of the product that records it.", examples=["0.1.0"])]
    data_schema: Annotated[
        dict[str, JsonValue],
        Field(description="JSON Schema (2020-12) of the message that an endpoint of this version receives."),
    ]
    example: Annotated[dict[str, JsonValue], Field(description="Such a message.")]


class PayloadVersionShown(Output):
    """One form of messages."""

    version: Annotated[str, Field(examples=[PAYLOAD_VERSIONS.newest])]
    description: Annotated[str, Field(description="What came with it.")]


class EventTypeList(Output):
    """Every kind of event, and the forms of their messages."""

    data: list[EventTypeShown]
    payload_version: Annotated[str, Field(description="The form that is shown.", examples=[PAYLOAD_VERSIONS.newest])]
    payload_versions: Annotated[list[PayloadVersionShown], Field(description="Every form there is, newest first.")]


class WebhookEgress(Output):
    """Where messages come from."""

    networks: Annotated[
        list[str],
        Field(
            description="Networks that messages are sent from, as the operator tells; empty if that is not known.",
            examples=[["198.51.100.0/28"]],
        ),
    ]


router = APIRouter(prefix="/v1", tags=["events"], route_class=UnitOfWorkRoute)


@router.get(
    "/event-types",
    operation_id="event_types_list",
    summary="List the event types",
    description=(
        "Lists every type of event, for the `type` of the feed and the `event_types` of webhook endpoints, with the "
        "JSON Schema and an example of its message, in the newest form or that of a `payload_version`."
    ),
)
async def list_event_types(
    ctx: Annotated[Ctx, allowed("events:read")],
    payload_version: Annotated[
        PayloadVersionName, Query(description="The form of messages to show; the newest unless it is given.")
    ] = PAYLOAD_VERSIONS.newest,
) -> EventTypeList:
    """List the types."""
    del ctx
    return event_type_list(payload_version)


@router.get(
    "/webhook-egress",
    tags=["webhook-endpoints"],
    operation_id="webhook_egress_get",
    summary="Tell where webhooks come from",
    description="Lists the networks that messages are sent from, for the allow-list of a receiver's firewall.",
)
async def get_egress(request: Request, ctx: Annotated[Ctx, allowed("webhook-endpoints:read")]) -> WebhookEgress:
    """List the networks."""
    del ctx
    runtime: Runtime = request.app.state.runtime
    return WebhookEgress(networks=list(runtime.egress))


@lru_cache
def event_type_list(payload_version: str = PAYLOAD_VERSIONS.newest) -> EventTypeList:
    """Make the list once for each version: it is the same for everybody."""
    version = PAYLOAD_VERSIONS[payload_version]
    whole = version.model.model_json_schema(mode="serialization")
    return EventTypeList(
        data=[
            EventTypeShown(
                type=name,
                object_type=event_type.object_type,
                description=event_type.description,
                since=event_type.since,
                data_schema=_schema(whole, version, name, event_type.object_type),
                example=dict(PAYLOAD_VERSIONS.taken_back(event_type.example, payload_version)),
            )
            for name, event_type in EVENT_TYPES.items()
        ],
        payload_version=payload_version,
        payload_versions=[
            PayloadVersionShown(version=name, description=PAYLOAD_VERSIONS[name].description)
            for name in PAYLOAD_VERSIONS.names
        ],
    )


def _schema(whole: dict[str, Any], version: PayloadVersion, name: str, object_type: str) -> dict[str, Any]:
    """Narrow the schema of all messages to those of one type."""
    schema = deepcopy(whole)
    schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name}
    schema["properties"]["type"] = {"const": name}
    definition, field = version.object_type_at
    schema["$defs"][definition]["properties"][field] = {"const": object_type}
    return schema
