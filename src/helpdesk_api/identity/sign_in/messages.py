"""What the e-mails of sign-in say: fixed sentences, the name of the tenant and a link.

Nothing that a stranger typed goes into them: whoever knows an address could otherwise have us send his words to it.
"""

from typing import Final

from helpdesk_api.identity.sign_in.links import LIFE, Purpose
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.mail.queue import Email

_SUBJECTS: Final[dict[Purpose, str]] = {
    "invitation": "Your invitation to {tenant}",
    "password_reset": "Choose a new password for {tenant}",
    "magic_link": "Your sign-in link for {tenant}",
}
_FIRST: Final[dict[Purpose, str]] = {
    "invitation": "You are invited to the help desk of {tenant}. Choose your password here:",
    "password_reset": "Somebody asked for a new password for your account at {tenant}. Choose it here:",
    "magic_link": "Sign in to the help desk of {tenant} here:",
}
_FIRST_WITHOUT_PAGE: Final[dict[Purpose, str]] = {
    "invitation": "You are invited to the help desk of {tenant}. Choose your password with this code:",
    "password_reset": "Somebody asked for a new password for your account at {tenant}. Choose it with this code:",
    "magic_link": "Sign in to the help desk of {tenant} with this code:",
}
_LAST: Final = "It works once, for {time}. If you did not expect this message, ignore it: nothing happens then."


def message(ctx: Ctx, purpose: Purpose, to_address: str, *, tenant: str, page: str | None, token: str) -> Email:
    """Write the message that carries a link; without a page it carries the bare token."""
    # Behind the # it stays in the browser: it reaches no server's log and no Referer header.
    first, carried = (
        (_FIRST_WITHOUT_PAGE[purpose], token) if page is None else (_FIRST[purpose], f"{page}#token={token}")
    )
    life = LIFE[purpose]
    time = f"{life.days} days" if life.days else f"{int(life.total_seconds() // 60)} minutes"
    text = "\n\n".join((first.format(tenant=tenant), carried, _LAST.format(time=time))) + "\n"
    return Email(to_address, _SUBJECTS[purpose].format(tenant=tenant), text, send_before=ctx.real_now + life)
