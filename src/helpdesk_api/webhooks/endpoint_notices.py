"""E-mail about an endpoint that fails or was switched off, to the people who can do something about it.

That it happened is an event, and decided in `webhooks.endpoint_life`; the people are looked up by a job, so that a
receiver's failure waits for no list of users. The message names the host only: the path and the query of a URL may hold
what opens the receiver's door.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import any_, bindparam, or_, select, true

from helpdesk_api.identity.roles import roles
from helpdesk_api.identity.users import users
from helpdesk_api.kit import jobs
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.languages import Language
from helpdesk_api.kit.mail.queue import Email, put_email
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.tickets.explanations import language_of_tenant

NOTIFY: Final = "webhook_endpoint.notify"
FAILING_SOON: Final = "warned"
MOST_NOTIFIED: Final = 20

_WHO_MAY_CHANGE_ENDPOINTS = Statement(
    select(users.c.email)
    .join_from(users, roles, (roles.c.tenant_id == users.c.tenant_id) & (roles.c.id == users.c.role_id))
    .where(
        users.c.tenant_id == bindparam("tenant"),
        users.c.is_active == true(),
        or_(any_(roles.c.permissions) == "webhook-endpoints:write", any_(roles.c.permissions) == "*:write"),
    )
    .order_by(users.c.id)
    .limit(MOST_NOTIFIED)
)

_SUBJECTS: Final[Mapping[Language, Mapping[bool, str]]] = {
    "en": {True: "A webhook endpoint is failing: {host}", False: "A webhook endpoint was switched off: {host}"},
    "ru": {True: "Сбои при доставке вебхуков: {host}", False: "Доставка вебхуков отключена: {host}"},
    "es": {True: "Un punto de webhook está fallando: {host}", False: "Se desactivó un punto de webhook: {host}"},
}
_REASONS: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        FAILING_SOON: "The receiver at {host} has been failing. After five days of failures only, its endpoint will be "
        "switched off. Until then every message is tried again.",
        "failing": "The receiver at {host} has done nothing but fail for five days.",
        "gone": "The receiver at {host} answered 410: it wants no more messages.",
        "unverified": "The receiver at {host} never answered the first ping with a success.",
    },
    "ru": {
        FAILING_SOON: "Получатель {host} отвечает ошибками. Если за пять дней не будет ни одной успешной доставки, "
        "отправка ему отключится. До тех пор каждое сообщение отправляется повторно.",
        "failing": "Получатель {host} пять дней отвечал только ошибками.",
        "gone": "Получатель {host} ответил 410: сообщения ему больше не нужны.",
        "unverified": "Получатель {host} ни разу не ответил успехом на первую проверку.",
    },
    "es": {
        FAILING_SOON: "El receptor {host} está fallando. Tras cinco días seguidos de fallos se desactivará su punto. "
        "Hasta entonces se reintenta cada mensaje.",
        "failing": "El receptor {host} no ha hecho más que fallar durante cinco días.",
        "gone": "El receptor {host} respondió 410: no quiere más mensajes.",
        "unverified": "El receptor {host} nunca respondió con éxito a la primera comprobación.",
    },
}
_WHAT_TO_DO: Final[Mapping[Language, str]] = {
    "en": "Its attempts: GET {path}/stats and /v1/webhook-deliveries?endpoint_id={id}. Once it works again, switch the "
    "endpoint on (PATCH {path}) and recover what it missed (POST {path}/recover).",
    "ru": "Попытки: GET {path}/stats и /v1/webhook-deliveries?endpoint_id={id}. Когда получатель снова заработает, "
    "включите отправку (PATCH {path}) и получите пропущенное (POST {path}/recover).",
    "es": "Sus intentos: GET {path}/stats y /v1/webhook-deliveries?endpoint_id={id}. Cuando vuelva a funcionar, active "
    "el punto (PATCH {path}) y recupere lo perdido (POST {path}/recover).",
}


async def tell(ctx: Ctx, endpoint_id: UUID, url: str, reason: str) -> None:
    """Have people told, in the caller's transaction; `reason` is one of `endpoints.Reason` or FAILING_SOON."""
    payload = {"endpoint_id": str(endpoint_id), "host": urlsplit(url).hostname or "", "reason": reason}
    await jobs.put(ctx, [NewJob(NOTIFY, payload, ctx.real_now, cause=ctx.cause)])


async def notify(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Write to everybody active who may change endpoints, and to at most MOST_NOTIFIED of them."""
    cause = Cause("job", str(claimed[0].id))
    async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
        ours = await jobs.complete(ctx.tx, claimed)
        language = await language_of_tenant(ctx)
        rows = await ctx.tx.rows(_WHO_MAY_CHANGE_ENDPOINTS, {"tenant": tenant_id})
        for job in claimed:
            for row in rows if job.id in ours else ():
                await put_email(ctx, runtime.sealer, message(language, row["email"], job.payload))


def message(language: Language, to_address: str, about: Mapping[str, str]) -> Email:
    """Write the message to one person."""
    told = {"host": about["host"], "id": about["endpoint_id"], "path": f"/v1/webhook-endpoints/{about['endpoint_id']}"}
    subject = _SUBJECTS[language][about["reason"] == FAILING_SOON].format(**told)
    text = "\n\n".join((_REASONS[language][about["reason"]].format(**told), _WHAT_TO_DO[language].format(**told)))
    return Email(to_address, subject, f"{text}\n")
