"""The tables of acts, and what the API takes and shows of them."""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Index, Numeric, Text, UniqueConstraint, Uuid

from helpdesk_api.kit.schema import Entity, ExactDecimal, Input, LocalDate
from helpdesk_api.kit.sql import reference, tenant_table

acts = tenant_table(
    "acts",
    Column("number", BigInteger, nullable=False),
    Column("ticket_id", Uuid),
    Column("contract_id", Uuid),
    Column("company_id", Uuid),
    Column("starts_on", Date),
    Column("ends_on", Date),
    Column("currency", Text, nullable=False),
    Column("net", Numeric, nullable=False),
    Column("vat", Numeric, nullable=False),
    Column("gross", Numeric, nullable=False),
    # Canonical JSON as text: a database that parsed it would write it otherwise.
    Column("document", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    UniqueConstraint("tenant_id", "number"),
    CheckConstraint("num_nonnulls(contract_id, starts_on, ends_on) IN (0, 3)", name="contract_and_period"),
    CheckConstraint("ends_on >= starts_on", name="period_in_order"),
    CheckConstraint("encode(sha256(convert_to(document, 'UTF8')), 'hex') = sha256", name="sha256_of_document"),
    reference("contract_id", "contracts"),
    reference("company_id", "companies"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "contract_id"),
    Index(None, "tenant_id", "company_id"),
    Index(None, "tenant_id", "ticket_id"),
)

# A line is on one act at most.
act_lines = tenant_table(
    "act_lines",
    Column("act_id", Uuid, nullable=False),
    Column("line_id", Uuid, nullable=False),
    UniqueConstraint("tenant_id", "line_id"),
    reference("act_id", "acts"),
    reference("line_id", "ticket_lines"),
    Index(None, "tenant_id", "act_id"),
    versioned=False,
)


class ActCreate(Input):
    """What is to be put on an act: the lines of a ticket, or those under a contract in a period."""

    ticket_id: Annotated[UUID | None, Field(description="Whose lines; or a contract and a period.")] = None
    contract_id: UUID | None = None
    starts_on: Annotated[LocalDate | None, Field(description="The first day, in UTC, of a contract's lines.")] = None
    ends_on: Annotated[LocalDate | None, Field(description="The last day.")] = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="Of the lines; an act is in one currency.")]


class Act(Entity):
    """What was done and what it comes to, frozen. What was wrong is put right by the next act."""

    number: int
    ticket_id: UUID | None
    contract_id: UUID | None
    company_id: UUID | None
    starts_on: date | None
    ends_on: date | None
    currency: str
    net: Annotated[ExactDecimal, Field(description="Of what is billed.")]
    vat: ExactDecimal
    gross: ExactDecimal
    sha256: Annotated[str, Field(description="Of the document in JSON, byte for byte.")]


ACT_EXAMPLE: Final[dict[str, Any]] = {
    "number": 17,
    "ticket_id": None,
    "contract_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e72",
    "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
    "starts_on": "2026-11-01",
    "ends_on": "2026-11-30",
    "currency": "EUR",
    "net": "151.20",
    "vat": "33.26",
    "gross": "184.46",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
