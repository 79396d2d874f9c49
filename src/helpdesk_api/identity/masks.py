"""What is shown of an address or a phone number to those who may not see it: enough to recognise, not to use."""

from helpdesk_api.identity.permissions import CONTACT_DETAILS, STAFF_DETAILS
from helpdesk_api.kit.visibility import FieldGroup

_HIDDEN = "•••"
_SHOWN_DIGITS = 2


def mask_email(address: str) -> str:
    """Give the first letter and the domain: `l•••@client.example`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}{_HIDDEN}@{domain}"


def mask_phone(number: str) -> str:
    """Give the first and the last two digits of an E.164 number: `+39•••34`."""
    return f"{number[: _SHOWN_DIGITS + 1]}{_HIDDEN}{number[-_SHOWN_DIGITS:]}"


def _mask_emails(addresses: list[str]) -> list[str]:
    return [mask_email(address) for address in addresses]


def _mask_phones(numbers: list[str]) -> list[str]:
    return [mask_phone(number) for number in numbers]


EMAILS_OF_CONTACT = FieldGroup(CONTACT_DETAILS, _mask_emails)
PHONES_OF_CONTACT = FieldGroup(CONTACT_DETAILS, _mask_phones)
EMAIL_OF_STAFF = FieldGroup(STAFF_DETAILS, mask_email)
