"""What the API takes and shows of tickets and comments."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, model_validator
from typing_extensions import TypedDict

from helpdesk_api.agreements.sla_policy_schemas import Priority
from helpdesk_api.directory.custom_fields.definitions import CustomFieldsInput, CustomFieldsShown
from helpdesk_api.domain.coverage import Match
from helpdesk_api.domain.sla import Metric
from helpdesk_api.domain.workflow import Status
from helpdesk_api.files.schemas import Attachment, FileIds
from helpdesk_api.identity.permissions import TICKET_INTERNAL
from helpdesk_api.kit.schema import Entity, Input, Instant, Label, Line, Output, Prose, Seconds
from helpdesk_api.kit.visibility import FieldGroup

TicketType = Literal["incident", "service_request", "question", "problem", "change", "task"]
Channel = Literal["api", "email", "web", "phone", "chat", "portal", "monitoring", "plan"]
CommentKind = Literal["reply", "note"]
Coverage = Literal["covered", "not_covered"]


def _sorted_unique(tags: list[str]) -> list[str]:
    return sorted({tag.lower() for tag in tags})


Tags = Annotated[
    list[Label],
    Field(max_length=50, description="Kept in lower case, sorted, each once."),
    AfterValidator(_sorted_unique),
]


class TicketCreate(Input):
    """A new ticket."""

    subject: Line
    description: Prose = ""
    type: TicketType = "incident"
    priority: Priority = "normal"
    status: Annotated[Status, Field(description="Where the ticket starts; clocks follow at once.")] = Status.NEW
    company_id: Annotated[
        UUID | None, Field(description="The client. Without it, the company of the contact is taken.")
    ] = None
    contact_id: Annotated[UUID | None, Field(description="Who asks; must work for the company.")] = None
    location_id: Annotated[
        UUID | None, Field(description="Where it is; one of the company's, which it names when nothing else does.")
    ] = None
    asset_id: Annotated[
        UUID | None,
        Field(description="What it is about; one of the company's. It names company and place if nothing else does."),
    ] = None
    service_id: Annotated[UUID | None, Field(description="What is asked for; an active service.")] = None
    contract_id: Annotated[
        UUID | None,
        Field(
            description=(
                "The contract that is to cover it, which is or was for the company or for all. Null: the nearest one "
                "that covers it is found."
            )
        ),
    ] = None
    team_id: Annotated[
        UUID | None,
        Field(description="Without team and assignee, that of the service, of the location or of the company."),
    ] = None
    assignee_id: Annotated[UUID | None, Field(description="An active user.")] = None
    tags: Tags = Field(default=[])
    snoozed_until: Annotated[
        Instant | None,
        Field(
            description=(
                "Put off until then, or until its client replies; still to come, and null wakes it. Clocks run on."
            )
        ),
    ] = None
    channel: Annotated[Channel, Field(description="How the ticket came in.")] = "api"
    custom_fields: CustomFieldsInput = Field(default={})
    file_ids: FileIds = Field(default=[])


class ClockShown(TypedDict):
    """One promise being measured. Times of a clock in business hours count the calendar's open time only."""

    id: UUID
    metric: Annotated[str, Field(examples=[metric.value for metric in Metric])]
    instance: Annotated[int, Field(description="Counts the clocks of this metric on the ticket, from 1.")]
    state: Annotated[
        str,
        Field(
            description="`running`, `paused`, `met`, `breached` (stopped too late) or `cancelled`.",
            examples=["running", "paused", "met", "breached", "cancelled"],
        ),
    ]
    hours: Annotated[str, Field(examples=["business", "calendar"])]
    target_seconds: int
    extension_seconds: Annotated[int, Field(description="Granted beside the target.")]
    is_manual: Annotated[bool, Field(description="The deadline was set by hand; it neither waits nor is recomputed.")]
    remaining_seconds: Annotated[
        int | None, Field(description="Negative when overdue; frozen while paused; null when stopped.")
    ]
    due_at: Annotated[AwareDatetime | None, Field(description="Null while paused, unless it was set by hand.")]
    warned_at: AwareDatetime | None
    breached_at: Annotated[AwareDatetime | None, Field(description="The deadline that passed; never taken back.")]
    stopped_at: AwareDatetime | None
    policy_id: UUID
    policy_version: int


class Ticket(Entity):
    """A request of a client, from the first word to the close."""

    number: Annotated[int, Field(description="Counts up within the tenant; what people call the ticket.")]
    subject: str
    description: str
    type: Annotated[str, Field(examples=["incident", "service_request"])]
    priority: Annotated[str, Field(examples=["low", "normal", "high", "urgent"])]
    status: Annotated[str, Field(examples=["new", "open", "pending", "on_hold", "solved", "closed"])]
    company_id: UUID | None
    contact_id: UUID | None
    location_id: UUID | None
    asset_id: UUID | None
    service_id: UUID | None
    contract_id: Annotated[UUID | None, FieldGroup(TICKET_INTERNAL), Field(description="Named, or found.")]
    coverage: Annotated[
        str | None,
        FieldGroup(TICKET_INTERNAL),
        Field(
            description=(
                "`not_covered`: no contract covers it, and work on it is billed. Null: it is for no client, or there "
                "are no contracts yet."
            ),
            examples=["covered", "not_covered"],
        ),
    ]
    covered_by: Annotated[
        str | None,
        FieldGroup(TICKET_INTERNAL),
        Field(description="What the contract covers it by.", examples=[match.value for match in Match]),
    ]
    coverage_decided_at: Annotated[AwareDatetime | None, FieldGroup(TICKET_INTERNAL)]
    sla_policy_id: Annotated[
        UUID | None,
        FieldGroup(TICKET_INTERNAL),
        Field(description="The policy that contract or service promise. It goes before those that fit the ticket."),
    ]
    calendar_id: Annotated[
        UUID | None,
        FieldGroup(TICKET_INTERNAL),
        Field(description="The calendar that contract or service bring, in place of those of the policies."),
    ]
    team_id: Annotated[UUID | None, FieldGroup(TICKET_INTERNAL)]
    assignee_id: Annotated[UUID | None, FieldGroup(TICKET_INTERNAL)]
    tags: Annotated[list[str], FieldGroup(TICKET_INTERNAL)]
    channel: Annotated[str, Field(examples=["api", "email"])]
    due_at: Annotated[AwareDatetime | None, Field(description="The earliest deadline of the running clocks.")]
    snoozed_until: Annotated[
        AwareDatetime | None,
        Field(description="Not to be looked at before, but for a reply of the client."),
        FieldGroup(TICKET_INTERNAL),
    ]
    first_responded_at: Annotated[AwareDatetime | None, Field(description="The first public reply of a user.")]
    solved_at: AwareDatetime | None
    closed_at: AwareDatetime | None
    reopen_count: int
    custom_fields: CustomFieldsShown
    attachments: Annotated[list[Attachment], Field(description="The files that came with it, as they were uploaded.")]
    clocks: Annotated[list[ClockShown], Field(description="The latest SLA clock of each metric.")]


class CommentCreate(Input):
    """A new comment. Users and contacts write under their own name; an integration says for whom it writes."""

    kind: Annotated[
        CommentKind, Field(description="`reply` is seen by the client; `note` is internal and only written by users.")
    ]
    body: Annotated[Prose, Field(min_length=1, pattern=r"\S", description="Not blank.")]
    author_user_id: Annotated[UUID | None, Field(description="The user who writes.")] = None
    author_contact_id: Annotated[UUID | None, Field(description="The contact who writes; replies only.")] = None
    file_ids: FileIds = Field(default=[])

    @model_validator(mode="after")
    def _has_one_author(self) -> "CommentCreate":
        if self.author_user_id is not None and self.author_contact_id is not None:
            message = "give one of author_user_id and author_contact_id"
            raise ValueError(message)
        if self.kind == "note" and self.author_contact_id is not None:
            message = "a note is internal and not written by contacts"
            raise ValueError(message)
        return self


class Comment(Entity):
    """Something said on a ticket: a public reply or an internal note."""

    ticket_id: UUID
    kind: Annotated[str, Field(examples=["reply", "note"])]
    body: str
    author_user_id: Annotated[
        UUID | None, Field(description="Both are null if no person wrote it, but a rule or an inbound hook.")
    ]
    author_contact_id: UUID | None
    attachments: Annotated[list[Attachment], Field(description="The files that came with it, as they were uploaded.")]


class ManualDeadline(Input):
    """A deadline that somebody sets by hand, and why."""

    due_at: Annotated[Instant, Field(description="Still to come. It neither waits nor is it ever recomputed.")]
    reason: Annotated[Line, Field(description="Kept with the clock and told by `ticket.sla_deadline_set`.")]


class AffectedTickets(Input):
    """Which unfinished tickets are meant: all of the lists must fit, and an empty list means any."""

    ticket_ids: Annotated[list[UUID], Field(max_length=200)] = Field(default=[])
    company_ids: Annotated[list[UUID], Field(max_length=200)] = Field(default=[])
    priorities: Annotated[list[Priority], Field(max_length=10)] = Field(default=[])


class ClockExtensionCreate(Input):
    """More time for many tickets, after a major incident for one."""

    filter: Annotated[AffectedTickets, Field(description="Which tickets; at most 200 may match.")]
    metrics: Annotated[
        list[Metric], Field(max_length=len(Metric), description="Whose clocks; an empty list means all.")
    ] = Field(default=[])
    seconds: Annotated[Seconds, Field(le=31_622_400, description="How much more, in the time of each clock.")]
    reason: Annotated[Line, Field(description="Told by each `ticket.sla_extended`.")]


class ClockExtension(Output):
    """What became of one clock."""

    ticket_id: UUID
    clock_id: UUID
    metric: Metric
    outcome: Annotated[
        Literal["extended", "manual_deadline", "not_running"],
        Field(description="`extended`; or not, because the deadline was set by hand or the clock has stopped."),
    ]
    due_at: AwareDatetime | None


class ClockExtensions(Output):
    """What became of each clock of the tickets that match."""

    data: list[ClockExtension]
