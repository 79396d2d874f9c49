"""Taking texts out of the event log for an erasure, so that the chain of seals still verifies afterwards.

The application may not change events. The database function `redact_event` may, for an erasure that is under way, and
only by putting other texts in the place of texts; it stores the hash of the content before and after. The event
`person.erased`, sealed like any other, carries the hash of all that its erasure did: a redaction that no such event
vouches for is tampering. What is taken out is for `privacy` to say.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Index,
    LargeBinary,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.domain.audit_chain import HashedEvent, Redaction, redactions_hash, sealed_content
from helpdesk_api.identity.audit_hashing import content_hash_of, hashed_with
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Record, Transaction
from helpdesk_api.kit.events import events
from helpdesk_api.kit.sql import Statement, reference, tenant_table

PERSON_ERASED = "person.erased"

event_redactions = tenant_table(
    "event_redactions",
    Column("event_id", Uuid, nullable=False),
    Column("erasure_id", Uuid, nullable=False),
    Column("hash_before", LargeBinary, nullable=False),
    Column("hash_after", LargeBinary, nullable=False),
    reference("erasure_id", "erasures"),
    Index(None, "tenant_id", "erasure_id"),
    Index(None, "tenant_id", "event_id"),
    versioned=False,
)

_changes, _data = (cast(bindparam(name, type_=Text), JSONB) for name in ("changes", "data"))
# As the database will write them: that is what is hashed.
_NORMAL = Statement(select(cast(_changes, Text).label("changes"), cast(_data, Text).label("data")))
_REDACT = Statement(
    select(
        func.redact_event(
            bindparam("redaction", type_=Uuid),
            bindparam("erasure", type_=Uuid),
            bindparam("event", type_=Uuid),
            _changes,
            _data,
            bindparam("forgets_origin", type_=Boolean),
            bindparam("salt", type_=Uuid),
            bindparam("hash_before", type_=LargeBinary),
            bindparam("hash_after", type_=LargeBinary),
        )
    )
)
_steps = select(
    event_redactions.c.event_id,
    event_redactions.c.erasure_id,
    event_redactions.c.hash_before,
    event_redactions.c.hash_after,
).where(event_redactions.c.tenant_id == bindparam("tenant"))
_ALL = Statement(_steps.order_by(event_redactions.c.id))
_OF_ERASURE = Statement(
    _steps.where(event_redactions.c.erasure_id == bindparam("erasure")).order_by(event_redactions.c.id)
)
_OF_EVENTS = Statement(
    _steps.where(event_redactions.c.event_id == any_(bindparam("events", type_=ARRAY(Uuid)))).order_by(
        event_redactions.c.id
    )
)
_VOUCHED_FOR = Statement(
    select(events.c.data["erasure_id"].astext, events.c.data["redactions_sha256"].astext).where(
        events.c.tenant_id == bindparam("tenant"), events.c.type == PERSON_ERASED
    )
)


@dataclass(frozen=True, slots=True)
class Redactions:
    """Everything that erasures did to the events of a tenant."""

    of_event: Mapping[UUID, Sequence[Redaction]]
    forged: frozenset[UUID]

    def hashed(self, event: Record) -> HashedEvent:
        """Hash an event as it was when it was sealed; one whose redactions do not join is hashed as it is."""
        content = content_hash_of(event)
        before = sealed_content(content, self.of_event.get(event["id"], ()))
        return hashed_with(event, content if before is None else before)


async def redact_event(
    ctx: Ctx, erasure_id: UUID, event: Record, *, changes: str, data: str, forgets_origin: bool
) -> None:
    """Put other texts into an event, under a new salt; `event` is the row as `audit_hashing` selects what is hashed."""
    normal = await ctx.tx.row(_NORMAL, {"changes": changes, "data": data})
    salt = uuid4()
    values = dict(event.items()) | dict(normal.items() if normal else ()) | {"salt": salt}
    if forgets_origin:
        values |= {"ip": None, "user_agent": None}
    await ctx.tx.row(
        _REDACT,
        {
            "redaction": new_id(),
            "erasure": erasure_id,
            "event": event["id"],
            "changes": changes,
            "data": data,
            "forgets_origin": forgets_origin,
            "salt": salt,
            "hash_before": content_hash_of(event),
            "hash_after": content_hash_of(values),
        },
    )


async def redactions_of(transaction: Transaction, tenant_id: UUID, erasure_id: UUID) -> list[Redaction]:
    """Give what one erasure did to events, in order."""
    return await transaction.all(Redaction, _OF_ERASURE, {"tenant": tenant_id, "erasure": erasure_id})


async def redactions_of_events(transaction: Transaction, tenant_id: UUID, event_ids: list[UUID]) -> Redactions:
    """Give what erasures did to these events: one is sealed as it was recorded, also when it was redacted first."""
    of_event: defaultdict[UUID, list[Redaction]] = defaultdict(list)
    for redaction in await transaction.all(Redaction, _OF_EVENTS, {"tenant": tenant_id, "events": event_ids}):
        of_event[redaction.event_id].append(redaction)
    return Redactions(of_event, frozenset())


async def load_redactions(transaction: Transaction, tenant_id: UUID) -> Redactions:
    """Load what erasures did to the events of a tenant, and find out which of it nobody vouches for."""
    of_event: defaultdict[UUID, list[Redaction]] = defaultdict(list)
    of_erasure: defaultdict[UUID, list[Redaction]] = defaultdict(list)
    for redaction in await transaction.all(Redaction, _ALL, {"tenant": tenant_id}):
        of_event[redaction.event_id].append(redaction)
        of_erasure[redaction.erasure_id].append(redaction)
    vouched = {row[0]: row[1] for row in await transaction.rows(_VOUCHED_FOR, {"tenant": tenant_id})}
    # An erasure that is still under way has not told yet what it did.
    return Redactions(
        of_event,
        frozenset(
            erasure_id
            for erasure_id, steps in of_erasure.items()
            if str(erasure_id) in vouched and vouched[str(erasure_id)] != redactions_hash(steps).hex()
        ),
    )
