"""Test messages: what an endpoint is sent so that its owner sees how the receiver takes it, marked as a test.

A test goes the way of every message, with its retries and its line in the delivery log. Told in the event log is that
somebody asked for it, never that what it says has happened. How it is written is `webhooks.message_writing`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import Field, JsonValue, StringConstraints, ValidationError, model_validator
from pydantic_core import to_json

from helpdesk_api.domain.errors import FieldError, InvalidError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource_routes import operation
from helpdesk_api.kit.schema import Flag, Input, Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.webhooks.endpoint_life import switched_on
from helpdesk_api.webhooks.endpoints import ENDPOINTS
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.messages import WebhookData, path_of
from helpdesk_api.webhooks.payload_versions import PAYLOAD_VERSIONS

# Standard Webhooks 1.0 asks for messages below this.
_MOST_BYTES: Final = 20_000


class InvalidTestError(InvalidError):
    """A test says what no message of its type says; `is_free_form` sends it all the same."""

    code = "invalid_test"
    title = "The test is no message of its type"


class WebhookTestRequest(Input):
    """What to send; nothing for a plain `webhook_endpoint.test`."""

    type: Annotated[
        str | None,
        StringConstraints(pattern=r"^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*$", max_length=100),
        Field(description="The type of event to play.", examples=["ticket.created"]),
    ] = None
    data: Annotated[
        dict[str, JsonValue] | None,
        Field(
            description="What differs from the example of the type in `/v1/event-types`, in the newest form; its `id` "
            "and the `path` of its object are set by us. The endpoint is sent it in its own `payload_version`."
        ),
    ] = None
    is_free_form: Annotated[
        Flag,
        Field(description="Send `data` as it is, under any type: neither has to be known, nor is it completed."),
    ] = False

    @model_validator(mode="after")
    def _is_of_a_type(self) -> "WebhookTestRequest":
        if self.type is None and (self.data is not None or self.is_free_form):
            message = "needs a `type`"
            raise ValueError(message)
        if self.data is not None and len(to_json(self.data)) > _MOST_BYTES:
            message = f"`data` may have {_MOST_BYTES} bytes"
            raise ValueError(message)
        return self


class WebhookTest(Output):
    """A message that is on its way."""

    event_id: Annotated[UUID, Field(description="The event that is sent; `webhook-deliveries?event_id=` follows it.")]


_PLAIN = WebhookTestRequest()

router = APIRouter(prefix=f"/v1/{ENDPOINTS.plural}/{{id}}", tags=[ENDPOINTS.plural], route_class=UnitOfWorkRoute)


@router.post(
    "/test",
    status_code=202,
    operation_id=operation(ENDPOINTS, "test"),
    summary="Send a test to a webhook endpoint",
    description=(
        "Sends a message to this endpoint only, whatever it wants else: a plain `webhook_endpoint.test`, or one of any "
        "`type` with any `data`, which must fit the schema of the type unless `is_free_form`. It carries the header "
        "`webhook-test: true`, is signed and tried again like any other, and stands in the delivery log as "
        "`webhook_endpoint.test`, which is also the event that is recorded."
    ),
)
async def send_test(
    id: UUID,
    body: Annotated[WebhookTestRequest, Body()] = _PLAIN,
    *,
    ctx: Annotated[Ctx, allowed("webhook-endpoints:write")],
) -> WebhookTest:
    """Send a test."""
    message = None if body.type is None else played(body.type, body.data, is_free_form=body.is_free_form)
    endpoint = await switched_on(ctx, id)
    data = None if message is None else {"message": message}
    record(ctx, "webhook_endpoint.test", object_id=id, version=endpoint.version, data=data)
    return WebhookTest(event_id=ctx.events[-1].id)


def played(event_type: str, data: dict[str, Any] | None, *, is_free_form: bool) -> dict[str, Any]:
    """Give the type and the data of a test that plays an event, as they are stored; raises InvalidTestError."""
    if is_free_form:
        return {"type": event_type, "data": data or {}, "is_free_form": True}
    known = EVENT_TYPES.get(event_type)
    if known is None:
        message = f"There is no event of the type {event_type!r}; see /v1/event-types."
        raise InvalidTestError(message, pointer="/type")
    whole = _overlaid(known.example["data"], data or {})
    try:
        # As JSON, whose ids and instants are text; and strictly, as the schema has it.
        told = WebhookData.model_validate_json(to_json(whole), strict=True)
    except ValidationError as error:
        errors = tuple(
            FieldError(f"/data/{'/'.join(map(str, item['loc']))}", item["type"], item["msg"])
            for item in error.errors(include_url=False, include_input=False)
        )
        message = f"The data is not that of {event_type} in {len(errors)} places; the first: {errors[0].pointer}"
        raise InvalidTestError(message, errors=errors) from error
    if told.object.type != known.object_type:
        message = f"The object of {event_type} is of the type {known.object_type}."
        raise InvalidTestError(message, pointer="/data/object/type")
    whole["object"]["path"] = path_of(told.object.type, told.object.id)
    return {
        "type": event_type,
        "data": whole,
        "is_free_form": False,
        "payload_version": PAYLOAD_VERSIONS.newest,
        "subject": f"{told.object.type}/{told.object.id}",
    }


def _overlaid(example: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Give an example with what differs, also within its objects."""
    return {
        name: _overlaid(example[name], given[name])
        if isinstance(example.get(name), Mapping) and isinstance(given.get(name), Mapping)
        else given.get(name, example.get(name))
        for name in {**example, **given}
    }
