"""How long a ticket was where: the spells of its status, team and assignee, in real time and in working hours.

Made of the changes of a ticket in their order. Nobody works on a finished ticket, so no team or person is charged with
it then, and a closed one has come to rest altogether.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.workflow import FINISHED, Status


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a ticket stands from an instant on."""

    at: datetime
    status: Status
    team_id: UUID | None
    assignee_id: UUID | None


@dataclass(frozen=True, slots=True)
class Spent:
    """Time that has passed, and how much of it was working time."""

    total: timedelta = timedelta()
    working: timedelta = timedelta()

    def plus(self, total: timedelta, working: timedelta) -> "Spent":
        """Give it with more."""
        return Spent(self.total + total, self.working + working)


@dataclass(frozen=True, slots=True)
class TeamSpent:
    """The time that a team had a ticket, and the part of it in which nobody of the team had."""

    whole: Spent = Spent()
    unassigned: Spent = Spent()


@dataclass(slots=True)
class TimeSpent:
    """Time by status, and of an unfinished ticket by team and by assignee; None stands for nobody."""

    by_status: dict[Status, Spent] = field(default_factory=dict)
    by_team: dict[UUID | None, TeamSpent] = field(default_factory=dict)
    by_assignee: dict[UUID | None, Spent] = field(default_factory=dict)


def time_spent(standings: Iterable[Standing], calendar: Calendar, until: datetime) -> TimeSpent:
    """Add up the spells between standings, which are in order, and from the last one until an instant."""
    spent = TimeSpent()
    before: Standing | None = None
    for standing in standings:
        if before is not None:
            _add(spent, before, calendar, standing.at)
        before = standing
    if before is not None:
        _add(spent, before, calendar, max(until, before.at))
    return spent


def _add(spent: TimeSpent, standing: Standing, calendar: Calendar, until: datetime) -> None:
    if standing.status is Status.CLOSED:
        return
    total, working = until - standing.at, calendar.between(standing.at, until)
    spent.by_status[standing.status] = spent.by_status.get(standing.status, Spent()).plus(total, working)
    if standing.status in FINISHED:
        return
    assignee, team = standing.assignee_id, standing.team_id
    spent.by_assignee[assignee] = spent.by_assignee.get(assignee, Spent()).plus(total, working)
    known = spent.by_team.get(team, TeamSpent())
    charged = replace(known, whole=known.whole.plus(total, working))
    if assignee is None:
        charged = replace(charged, unassigned=known.unassigned.plus(total, working))
    spent.by_team[team] = charged
