"""What the demo tenant starts with, as values: a service company in Rome, its clients and agreements.

Tickets are in `demo_tickets`; making all of it real is `demo`. Names and addresses are made up: mail domains end in
`.example`, phone numbers lie in ranges kept free for stories.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from helpdesk_api.agreements.calendar_schemas import (
    CalendarCreate,
    HolidayInput,
    HoursInput,
    SpecialHoursInput,
    WeeklyHoursInput,
)
from helpdesk_api.agreements.sla_policy_schemas import SLAPolicyCreate, TargetInput
from helpdesk_api.domain.sla import Metric
from helpdesk_api.kit.condition_schema import ConditionTree

HOSPITAL: Final = "Ospedale San Luca"
DAIRY: Final = "Alpine Dairy"
FREIGHT: Final = "Ferrara Freight"
HOTELS: Final = "Hotel Miramare Group"
STUDIO: Final = "Studio Conti"

DESK: Final = "Service desk"
FIELD: Final = "Field service"
NETWORK: Final = "Network"

_HOUR: Final = 3_600
_FIXED_HOLIDAYS: Final = (
    (1, 1, "New Year's Day"),
    (1, 6, "Epiphany"),
    (4, 25, "Liberation Day"),
    (5, 1, "Labour Day"),
    (6, 2, "Republic Day"),
    (8, 15, "Ferragosto"),
    (11, 1, "All Saints"),
    (12, 8, "Immaculate Conception"),
    (12, 25, "Christmas"),
    (12, 26, "Saint Stephen"),
)


@dataclass(frozen=True, slots=True)
class DemoCompany:
    """A client and the people who write for it."""

    name: str
    domain: str
    notes: str | None
    contacts: tuple[tuple[str, str | None], ...]


COMPANIES: Final = (
    DemoCompany(
        HOSPITAL,
        "ospedale-sanluca.example",
        "Around the clock. Wards 3 and 4 only with an escort.",
        (("Giulia Romano", "+390655512301"), ("Paolo Greco", "+390655512302")),
    ),
    DemoCompany(
        DAIRY,
        "alpine-dairy.example",
        "Deliveries before 06:00 only.",
        (("Luca Ferri", "+390655512311"), ("Marta Colombo", None)),
    ),
    DemoCompany(
        FREIGHT,
        "ferrara-freight.example",
        None,
        (("Stefano Gallo", "+390655512321"), ("Irene Costa", "+390655512322"), ("Dock office", None)),
    ),
    DemoCompany(
        HOTELS,
        "miramare.example",
        "Four houses; say which one is meant.",
        (("Chiara De Luca", "+390655512331"), ("Night desk Ostia", "+390655512332")),
    ),
    DemoCompany(STUDIO, "studioconti.example", None, (("Roberto Conti", "+390655512341"),)),
)

TEAMS: Final = (
    (DESK, "First contact; solves what can be solved from a desk."),
    (FIELD, "Technicians who drive out."),
    (NETWORK, "Routers, switches, wireless and everything between them."),
)

ADA: Final = "Ada Moretti"
BRUNO: Final = "Bruno Rinaldi"
CARLA: Final = "Carla Esposito"
DINO: Final = "Dino Marchetti"
ELENA: Final = "Elena Vitale"
USERS: Final = (
    (ADA, DESK, "supervisor"),
    (BRUNO, DESK, "agent"),
    (CARLA, FIELD, "agent"),
    (DINO, FIELD, "agent"),
    (ELENA, NETWORK, "contractor"),
)


def calendar(year: int) -> CalendarCreate:
    """Give the office hours, with the holidays of a year and its neighbours."""
    years = (year - 1, year, year + 1)
    office = [HoursInput(start="08:30", end="12:30"), HoursInput(start="13:30", end="18:00")]
    return CalendarCreate(
        name="Rome office",
        time_zone="Europe/Rome",
        weekly_hours=WeeklyHoursInput(monday=office, tuesday=office, wednesday=office, thursday=office, friday=office),
        special_hours=[
            SpecialHoursInput(
                on=date(some, 12, 31), name="New Year's Eve", hours=[HoursInput(start="09:00", end="12:00")]
            )
            for some in years
        ],
        holidays=[
            *(
                HolidayInput(on=date(some, month, day), name=name)
                for some in years
                for month, day, name in _FIXED_HOLIDAYS
            ),
            *(HolidayInput(on=date(some, 12, 24), name="Christmas Eve", start="13:00", end="24:00") for some in years),
        ],
    )


def _is_one_of(companies: dict[str, UUID], *names: str) -> ConditionTree:
    return {"field": "company_id", "op": "in", "value": [str(companies[name]) for name in names]}


def policies(calendar_id: UUID, companies: dict[str, UUID]) -> tuple[SLAPolicyCreate, ...]:
    """Give what is promised to whom; the first policy that fits a ticket counts."""
    return (
        SLAPolicyCreate(
            name="Around the clock",
            description="What stops a ward is answered within a quarter of an hour, at night too.",
            position=10,
            condition={"all": [_is_one_of(companies, HOSPITAL), {"field": "priority", "op": "gte", "value": "high"}]},
            targets=[
                _target(Metric.FIRST_RESPONSE, 0.25, priority="urgent", hours="calendar"),
                _target(Metric.FIRST_RESPONSE, 0.5, hours="calendar"),
                _target(Metric.RESOLUTION, 4, priority="urgent", hours="calendar"),
                _target(Metric.RESOLUTION, 8, hours="calendar"),
            ],
        ),
        SLAPolicyCreate(
            name="Gold",
            description="Contract class Gold, in office hours.",
            position=20,
            calendar_id=calendar_id,
            condition=_is_one_of(companies, HOSPITAL, DAIRY, FREIGHT),
            targets=[
                _target(Metric.FIRST_RESPONSE, 1),
                _target(Metric.RESOLUTION, 4, priority="urgent"),
                _target(Metric.RESOLUTION, 8, priority="high"),
                _target(Metric.RESOLUTION, 24),
            ],
        ),
        SLAPolicyCreate(
            name="Standard",
            description="Everybody else, in office hours.",
            position=30,
            calendar_id=calendar_id,
            targets=[
                _target(Metric.FIRST_RESPONSE, 4),
                _target(Metric.RESOLUTION, 16, priority="urgent"),
                _target(Metric.RESOLUTION, 40),
            ],
        ),
    )


def _target(
    metric: Metric, hours_allowed: float, *, priority: str | None = None, hours: str = "business"
) -> TargetInput:
    return TargetInput.model_validate(
        {"metric": metric, "priority": priority, "seconds": int(hours_allowed * _HOUR), "hours": hours}
    )
