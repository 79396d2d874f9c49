"""What the e-mail of an escalation step says: which ticket, which clock and when it is due.

Nothing that a client typed goes into it: whoever opens a ticket could otherwise have us send his words to our people.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from helpdesk_api.domain.business_time import zone_named
from helpdesk_api.kit.languages import Language
from helpdesk_api.kit.mail.queue import Email
from helpdesk_api.tickets.explanation_texts import instant

_SUBJECTS: Final[Mapping[Language, str]] = {
    "en": "Ticket {number}: escalation “{step}”",
    "ru": "Заявка {number}: эскалация «{step}»",
    "es": "Ticket {number}: escalada «{step}»",
}
_TEXTS: Final[Mapping[Language, str]] = {
    "en": "Ticket {number} has reached the step “{step}” of the clock {metric}.",
    "ru": "Заявка {number} достигла шага «{step}» отсчёта {metric}.",
    "es": "El ticket {number} ha llegado al paso «{step}» del reloj {metric}.",
}
_DUE: Final[Mapping[Language, str]] = {
    "en": "The deadline: {due} ({zone}).",
    "ru": "Срок: {due} ({zone}).",
    "es": "El plazo: {due} ({zone}).",
}


def message(language: Language, to_address: str, number: int, about: Mapping[str, Any]) -> Email:
    """Write the message about a step to one person."""
    told = {"number": number, "step": about["step"], "metric": about["metric"], "zone": about["time_zone"]}
    lines = [_TEXTS[language].format(**told)]
    if about["due_at"] is not None:
        due = instant(language, datetime.fromisoformat(about["due_at"]), zone_named(about["time_zone"]))
        lines.append(_DUE[language].format(due=due, **told))
    return Email(to_address, _SUBJECTS[language].format(**told), "\n".join(lines) + "\n")
