"""What the fields of a client card may hold that is more than a text: tax ids, messengers, memberships, consents.

Each has a form that is taken, strict and normalised, and one that is shown. The cards themselves are `companies`,
`contacts` and `locations`.
"""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from helpdesk_api.domain.tax_ids import compact, normalised
from helpdesk_api.identity.permissions import CONTACT_DETAILS
from helpdesk_api.kit.schema import Flag, Input, Instant, Line
from helpdesk_api.kit.visibility import FieldGroup

TaxIdKind = Literal["vat", "tax", "registration"]
Country = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{2}$"),
    Field(description="ISO 3166-1 alpha-2.", examples=["IT"]),
]
_Number = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9A-Za-z][0-9A-Za-z ./_-]{1,38}[0-9A-Za-z]$")
]
# How a number is looked for: however its groups are set apart.
TaxNumber = Annotated[_Number, AfterValidator(compact)]
Language = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$"),
    Field(description="A language tag (BCP 47).", examples=["it", "pt-BR"]),
]
PreferredChannel = Literal["email", "phone", "messenger", "portal"]

_HIDDEN: Final = "•••"
_SHOWN: Final = 2


class TaxIdInput(Input):
    """A number by which an office knows a company."""

    country: Country
    kind: Annotated[TaxIdKind, Field(description="A VAT number, another tax number, or that of a company register.")]
    number: Annotated[
        _Number,
        Field(description="Kept as capitals and digits; a VAT number of the EU with its prefix, as VIES has it."),
    ]

    @model_validator(mode="after")
    def _normalise(self) -> "TaxIdInput":
        self.number = normalised(self.number, kind=self.kind, country=self.country)
        return self


class TaxId(TypedDict):
    """A number by which an office knows a company."""

    country: str
    kind: Annotated[str, Field(examples=["vat", "tax", "registration"])]
    number: str


class MessengerInput(Input):
    """Where somebody is found on a messenger."""

    service: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$"),
        Field(description="The messenger, in lower case.", examples=["telegram"]),
    ]
    address: Annotated[Line, Field(description="A name, number or id there.", examples=["@luca_ferri"])]


class Messenger(TypedDict):
    """Where somebody is found on a messenger."""

    service: str
    address: str


class MembershipInput(Input):
    """A company that somebody works for beside the main one, or what they are at that one."""

    company_id: UUID
    role: Annotated[Line | None, Field(description="What the person is there, such as `Plant manager`.")] = None


class Membership(TypedDict):
    """A company that somebody works for, and what they are there."""

    company_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    role: str | None


class ConsentInput(Input):
    """What somebody has agreed to, or has not."""

    purpose: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,59}$"),
        Field(description="What for, by a name of your own.", examples=["newsletter"]),
    ]
    is_granted: Flag
    decided_at: Instant
    source: Annotated[Line | None, Field(description="How it was told, such as `Order form 17`.")] = None


class Consent(TypedDict):
    """What somebody has agreed to, or has not, and since when."""

    purpose: str
    is_granted: bool
    decided_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    source: str | None


def _once(values: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept


each_once: Final = AfterValidator(_once)


def _one_each(of: str) -> AfterValidator:
    def check(values: list[Any]) -> list[Any]:
        named = [getattr(value, of) for value in values]
        if len(set(named)) < len(named):
            message = f"must name every {of} once"
            raise ValueError(message)
        return values

    return AfterValidator(check)


TaxIds = Annotated[list[TaxIdInput], Field(max_length=20, description="Each once."), each_once]
Messengers = Annotated[list[MessengerInput], Field(max_length=20, description="In order of preference."), each_once]
Memberships = Annotated[
    list[MembershipInput],
    Field(max_length=50, description="Every company that the person works for beside `company_id`, each once."),
    _one_each("company_id"),
]
Consents = Annotated[
    list[ConsentInput],
    Field(max_length=50, description="What the person has decided last, once for every purpose."),
    _one_each("purpose"),
]
ObserverIds = Annotated[list[UUID], Field(max_length=50, description="Users who watch what happens to it."), each_once]


def _mask_tax_ids(tax_ids: list[TaxId]) -> list[TaxId]:
    return [{**each, "number": f"{each['number'][:_SHOWN]}{_HIDDEN}{each['number'][-_SHOWN:]}"} for each in tax_ids]


def _mask_messengers(messengers: list[Messenger]) -> list[Messenger]:
    return [{**each, "address": f"{each['address'][:_SHOWN]}{_HIDDEN}"} for each in messengers]


TAX_IDS_OF_COMPANY: Final = FieldGroup(CONTACT_DETAILS, _mask_tax_ids)
MESSENGERS_OF_CONTACT: Final = FieldGroup(CONTACT_DETAILS, _mask_messengers)
