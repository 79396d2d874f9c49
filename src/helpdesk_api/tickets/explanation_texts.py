"""Explanations in words: a sentence for each step, in English, Russian and Spanish.

The sentences hold dates, times and names as they stand in the steps; no grammar depends on a number, so that nothing
has to be declined. Instants are told in the time zone of the clock's calendar.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from helpdesk_api.kit.languages import Language

_MINUTE: Final = 60
_HOUR: Final = 3_600

_DATES: Final[Mapping[Language, str]] = {
    "en": "%Y-%m-%d %H:%M:%S",
    "ru": "%d.%m.%Y %H:%M:%S",
    "es": "%d/%m/%Y %H:%M:%S",
}
_UNITS: Final[Mapping[Language, tuple[str, str, str]]] = {
    "en": ("h", "min", "s"),
    "ru": ("ч", "мин", "с"),
    "es": ("h", "min", "s"),
}
_SENTENCES: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "started": "{from}: the clock started. Target: {target}.",
        "counted": "{from} to {to}: {counted} counted.",
        "break": "{from} to {to}: a break, nothing counted.",
        "night": "{from} to {to}: outside of working hours, nothing counted.",
        "day_off": "{from} to {to}: days off, nothing counted.",
        "holiday": "{from} to {to}: holiday ({names}), nothing counted.",
        "summary": "{from} to {to}: {counted} counted, {waited} waited.",
        "paused": "{from} to {to}: paused, because the status was {status}; {waited} of working time waited.",
        "paused_otherwise": "{from} to {to}: paused; {waited} of working time waited.",
        "finished": "{from} to {to}: the clock had stopped; neither counted nor waited.",
        "resumed": "{from}: the clock ran again, because the status became {status}.",
        "resumed_otherwise": "{from}: the clock ran again.",
        "reopened": "{from}: the ticket was reopened and the clock ran on.",
        "retargeted": "{from}: other terms, because of: {fields}. Target: {target}; counted so far: {total}.",
        "extended": "{from}: extended; up to {target} may be used now.",
        "deadline_set": "{from}: the deadline was set by hand to {manual}; it neither waits nor is recomputed.",
        "deadline_released": "{from}: the deadline set by hand was taken back.",
        "breached": "{from}: the target was used up; the deadline was missed, which stays recorded.",
        "escalated": "{from}: escalation step {step}.",
        "met": "{from}: stopped in time after {total}.",
        "missed": "{from}: stopped too late after {total}.",
        "cancelled": "{from}: nothing was promised any more; the clock was cancelled after {total}.",
        "due": "{from}: the deadline. {total} counted of {target}.",
        "due_by_hand": "{from}: the deadline, set by hand.",
        "projected": "{sentence} (if nothing else happens)",
        "conclusion_running": "Due {due}.",
        "conclusion_paused": "Paused with {left} left; nothing is due until it runs again.",
        "conclusion_overdue": "Overdue since {due}.",
        "conclusion_met": "Stopped in time, {stopped}.",
        "conclusion_breached": "Stopped late, {stopped}; the deadline was {due}.",
        "conclusion_cancelled": "Cancelled {stopped}.",
    },
    "ru": {
        "started": "{from}: отсчёт начат. Норматив: {target}.",
        "counted": "{from} - {to}: засчитано {counted}.",
        "break": "{from} - {to}: перерыв, время не засчитано.",
        "night": "{from} - {to}: нерабочее время, не засчитано.",
        "day_off": "{from} - {to}: выходные, время не засчитано.",
        "holiday": "{from} - {to}: праздник ({names}), время не засчитано.",
        "summary": "{from} - {to}: засчитано {counted}, ожидание {waited}.",
        "paused": "{from} - {to}: пауза, статус заявки: {status}; ожидание {waited} рабочего времени.",
        "paused_otherwise": "{from} - {to}: пауза; ожидание {waited} рабочего времени.",
        "finished": "{from} - {to}: отсчёт был остановлен; время не засчитано и не считается ожиданием.",
        "resumed": "{from}: отсчёт продолжен, новый статус заявки: {status}.",
        "resumed_otherwise": "{from}: отсчёт продолжен.",
        "reopened": "{from}: заявка открыта снова, отсчёт продолжен.",
        "retargeted": "{from}: условия изменены, причина: {fields}. Норматив: {target}; уже засчитано: {total}.",
        "extended": "{from}: срок продлён; теперь можно потратить {target}.",
        "deadline_set": "{from}: срок задан вручную: {manual}; он не ждёт и не пересчитывается.",
        "deadline_released": "{from}: заданный вручную срок снят.",
        "breached": "{from}: норматив исчерпан; срок нарушен, и нарушение остаётся записанным.",
        "escalated": "{from}: шаг эскалации {step}.",
        "met": "{from}: остановлено вовремя, засчитано {total}.",
        "missed": "{from}: остановлено с опозданием, засчитано {total}.",
        "cancelled": "{from}: обязательства больше нет, отсчёт отменён, засчитано {total}.",
        "due": "{from}: срок. Засчитано {total} из {target}.",
        "due_by_hand": "{from}: срок, заданный вручную.",
        "projected": "{sentence} (если ничего не изменится)",
        "conclusion_running": "Срок: {due}.",
        "conclusion_paused": "Пауза, осталось {left}; срока нет, пока отсчёт не продолжен.",
        "conclusion_overdue": "Просрочено начиная с {due}.",
        "conclusion_met": "Остановлено вовремя, {stopped}.",
        "conclusion_breached": "Остановлено с опозданием, {stopped}; срок был {due}.",
        "conclusion_cancelled": "Отменено {stopped}.",
    },
    "es": {
        "started": "{from}: el reloj empezó. Objetivo: {target}.",
        "counted": "{from} - {to}: {counted} contados.",
        "break": "{from} - {to}: pausa del horario, nada contado.",
        "night": "{from} - {to}: fuera del horario laboral, nada contado.",
        "day_off": "{from} - {to}: días no laborables, nada contado.",
        "holiday": "{from} - {to}: festivo ({names}), nada contado.",
        "summary": "{from} - {to}: {counted} contados, {waited} en espera.",
        "paused": "{from} - {to}: en pausa, porque el estado era {status}; {waited} de tiempo laboral en espera.",
        "paused_otherwise": "{from} - {to}: en pausa; {waited} de tiempo laboral en espera.",
        "finished": "{from} - {to}: el reloj estaba parado; ni contado ni en espera.",
        "resumed": "{from}: el reloj siguió, porque el estado pasó a {status}.",
        "resumed_otherwise": "{from}: el reloj siguió.",
        "reopened": "{from}: el ticket se reabrió y el reloj siguió.",
        "retargeted": "{from}: otras condiciones, por: {fields}. Objetivo: {target}; contado hasta entonces: {total}.",
        "extended": "{from}: ampliado; ahora se pueden usar {target}.",
        "deadline_set": "{from}: el plazo se fijó a mano: {manual}; ni espera ni se recalcula.",
        "deadline_released": "{from}: se retiró el plazo fijado a mano.",
        "breached": "{from}: el objetivo se agotó; el plazo se incumplió y así queda registrado.",
        "escalated": "{from}: paso de escalada {step}.",
        "met": "{from}: parado a tiempo tras {total}.",
        "missed": "{from}: parado tarde tras {total}.",
        "cancelled": "{from}: ya no había compromiso; el reloj se canceló tras {total}.",
        "due": "{from}: el plazo. {total} contados de {target}.",
        "due_by_hand": "{from}: el plazo, fijado a mano.",
        "projected": "{sentence} (si no ocurre nada más)",
        "conclusion_running": "Vence el {due}.",
        "conclusion_paused": "En pausa con {left} restantes; nada vence hasta que siga.",
        "conclusion_overdue": "Vencido desde el {due}.",
        "conclusion_met": "Parado a tiempo, {stopped}.",
        "conclusion_breached": "Parado tarde, {stopped}; el plazo era el {due}.",
        "conclusion_cancelled": "Cancelado {stopped}.",
    },
}
_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "on_hold": "on hold",
        "company_id": "company",
        "team_id": "team",
        "contract_id": "contract",
        "service_id": "service",
        "contact_id": "contact",
        "location_id": "location",
        "asset_id": "asset",
        "assignee_id": "assignee",
        "covered_by": "kind of cover",
        "custom_fields": "custom fields",
        "sla_policy_id": "agreed policy",
        "calendar_id": "agreed calendar",
    },
    "ru": {
        "new": "новая",
        "open": "в работе",
        "pending": "ожидает клиента",
        "on_hold": "отложена",
        "solved": "решена",
        "closed": "закрыта",
        "priority": "приоритет",
        "company_id": "компания",
        "type": "тип",
        "channel": "канал",
        "tags": "метки",
        "team_id": "команда",
        "contract_id": "договор",
        "service_id": "услуга",
        "subject": "тема",
        "description": "описание",
        "contact_id": "контакт",
        "location_id": "место",
        "asset_id": "актив",
        "assignee_id": "исполнитель",
        "coverage": "покрытие договором",
        "covered_by": "основание покрытия",
        "custom_fields": "дополнительные поля",
        "sla_policy_id": "правило SLA по договору",
        "calendar_id": "график по договору",
    },
    "es": {
        "new": "nuevo",
        "open": "abierto",
        "pending": "pendiente",
        "on_hold": "en espera",
        "solved": "resuelto",
        "closed": "cerrado",
        "priority": "prioridad",
        "company_id": "empresa",
        "type": "tipo",
        "channel": "canal",
        "tags": "etiquetas",
        "team_id": "equipo",
        "contract_id": "contrato",
        "service_id": "servicio",
        "subject": "asunto",
        "description": "descripción",
        "contact_id": "contacto",
        "location_id": "lugar",
        "asset_id": "activo",
        "assignee_id": "responsable",
        "coverage": "cobertura",
        "covered_by": "motivo de la cobertura",
        "custom_fields": "campos propios",
        "sla_policy_id": "política acordada",
        "calendar_id": "calendario acordado",
    },
}


def sentence(language: Language, name: str, **values: str) -> str:
    """Give a sentence with its values."""
    return _SENTENCES[language][name].format_map(values)


def has_sentence(language: Language, name: str) -> bool:
    """Tell whether there is such a sentence."""
    return name in _SENTENCES[language]


def word(language: Language, name: str) -> str:
    """Give the word for a status or a field of a ticket."""
    return _WORDS[language].get(name, name)


def instant(language: Language, at: datetime, zone: ZoneInfo) -> str:
    """Write an instant as a clock on the wall of the zone shows it."""
    return at.astimezone(zone).strftime(_DATES[language])


def duration(language: Language, length: timedelta) -> str:
    """Write a length of time, such as `7 h 30 min`; `-1 h` is an hour too much."""
    seconds = length // timedelta(seconds=1)
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    amounts = seconds // _HOUR, seconds % _HOUR // _MINUTE, seconds % _MINUTE
    parts = [f"{amount} {unit}" for amount, unit in zip(amounts, _UNITS[language], strict=True) if amount]
    return sign + (" ".join(parts) or f"0 {_UNITS[language][1]}")
