"""The words in which the demo's tickets are told: a story per ticket, a step per thing that happened.

Ages are hours before now. In a story that is not `around_the_clock` they are hours of open time, so that the demo looks
the same on a Sunday as on a Wednesday: nobody has worked on it at night.
"""

from dataclasses import dataclass
from typing import Any

from helpdesk_api.domain.workflow import Status


@dataclass(frozen=True, slots=True)
class Said:
    """A public reply; `by` is a user or one of the client's contacts."""

    ago: float
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Noted:
    """An internal note of a user."""

    ago: float
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Given:
    """The ticket was given to a user."""

    ago: float
    to: str


@dataclass(frozen=True, slots=True)
class Became:
    """The ticket got another status."""

    ago: float
    status: Status


Step = Said | Noted | Given | Became


@dataclass(frozen=True, slots=True)
class Story:
    """One ticket, from how it came in to where it stands."""

    ago: float
    company: str
    contact: str
    subject: str
    description: str
    team: str
    fields: dict[str, Any]
    steps: tuple[Step, ...]
    around_the_clock: bool


def story(
    ago: float,
    company: str,
    contact: str,
    subject: str,
    description: str,
    *steps: Step,
    team: str,
    around_the_clock: bool = False,
    **fields: Any,  # noqa: ANN401 - fields of the ticket, checked by its own type.
) -> Story:
    """Tell a ticket."""
    return Story(ago, company, contact, subject, description, team, fields, steps, around_the_clock)
