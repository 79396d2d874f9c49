"""Whether the targets of a policy that a contract brings can be reached in the hours of the calendar that it brings."""

from collections.abc import Iterable
from uuid import UUID

from helpdesk_api.agreements.calendar_versions import hours_of
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.policy_checks import TargetOutOfReachError, check_reachable
from helpdesk_api.agreements.sla_policies import SLA_POLICIES
from helpdesk_api.domain.contracts import ContractTerms
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx


async def check_agreed_hours(ctx: Ctx, stated: Iterable[ContractTerms]) -> None:
    """Refuse terms that bring a policy and a calendar which is open too seldom for it; raises TargetOutOfReachError.

    What only one of them brings is measured by what there is without: policies are looked at with their own calendars.
    """
    pairs = {pair for terms in stated for pair in _pairs(terms)}
    policies = await crud.fetch_many(ctx, SLA_POLICIES, sorted({policy_id for policy_id, _ in pairs}))
    calendars = await crud.fetch_many(ctx, CALENDARS, sorted({calendar_id for _, calendar_id in pairs}))
    for policy_id, calendar_id in sorted(pairs):
        policy, calendar = policies.get(policy_id), calendars.get(calendar_id)
        if policy is None or calendar is None:
            continue
        try:
            check_reachable(ctx, await hours_of(ctx, calendar.id, calendar.version), policy)
        except TargetOutOfReachError as error:
            message = f"In the hours of {calendar.name}: {error.detail}"
            raise TargetOutOfReachError(message, pointer="/terms/calendar_id", params=error.params) from error


def _pairs(terms: ContractTerms) -> set[tuple[UUID, UUID]]:
    """Give the policies and calendars that tickets may get together; a service takes what it lacks."""
    together = {(terms.sla_policy_id, terms.calendar_id)} | {
        (offer.sla_policy_id or terms.sla_policy_id, offer.calendar_id or terms.calendar_id) for offer in terms.services
    }
    return {(policy, calendar) for policy, calendar in together if policy is not None and calendar is not None}
