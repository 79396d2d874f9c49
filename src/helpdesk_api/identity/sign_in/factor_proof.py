"""Proving the second factor: counted before it is looked at, and recorded when it was wrong."""

from uuid import UUID

from helpdesk_api.identity.sign_in.attempts import SECOND_FACTOR, count_attempt, forget_attempts
from helpdesk_api.identity.sign_in.credentials import invalid_credentials
from helpdesk_api.identity.sign_in.second_factor import SecondFactorRequiredError, find_factor, takes_code
from helpdesk_api.identity.sign_in.sessions import Person
from helpdesk_api.identity.sign_in.visits import Visit, record_failure
from helpdesk_api.kit.runtime import Runtime


async def prove_second_factor(runtime: Runtime, visit: Visit, tenant_id: UUID, user_id: UUID, code: str | None) -> None:
    """Let pass who has no second factor, or knows a code of it.

    Raises SecondFactorRequiredError without a code, InvalidCredentialsError for a wrong one, TooManyAttemptsError.
    """
    async with runtime.db.transaction(tenant_id, read_only=True) as transaction:
        factor = await find_factor(transaction, tenant_id, user_id)
    if factor is None or factor.confirmed_at is None:
        return
    if code is None:
        message = "This person has a second factor; send a code of it as well."
        raise SecondFactorRequiredError(message)
    is_last = await count_attempt(runtime.db, tenant_id, SECOND_FACTOR, str(user_id))
    person = Person("user", user_id)
    async with visit.work(runtime, tenant_id, person) as ctx:
        is_right = await takes_code(ctx, runtime.sealer, factor, code)
    if is_right:
        await forget_attempts(runtime.db, tenant_id, SECOND_FACTOR, str(user_id))
        return
    await record_failure(
        runtime,
        visit,
        tenant_id,
        method="second_factor",
        reason="locked" if is_last else "wrong_code",
        person=person,
    )
    raise invalid_credentials()
