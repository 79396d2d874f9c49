"""How to exercise the operations of signing in, and which operations anybody may call."""

from collections.abc import Mapping
from typing import Any

JSON = dict[str, Any]

_NOBODY: JSON = {"tenant_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e00", "email": "nobody@service.example"}
_PASSWORD: JSON = {"current_password": "seven geese over Trieste"}


# A body that is valid for each, or None for those without.
BODIES: Mapping[str, JSON | None] = {
    "sign_in_with_password": {**_NOBODY, "password": "seven geese over Trieste", "code": "492039"},
    "sign_in_refresh": {"refresh_token": "none"},
    "sign_in_reset_password": _NOBODY,
    "sign_in_set_password": {"token": "none", "password": "seven geese over Trieste"},
    "sign_in_send_magic_link": _NOBODY,
    "sign_in_with_magic_link": {"token": "none"},
    "sign_in_with_identity_provider": {"tenant_id": _NOBODY["tenant_id"], "token": "none"},
    "sign_in_settings_get": None,
    "sign_in_settings_update": {"staff_url": "https://desk.example/", "portal_url": "https://help.example/"},
    "me_list_sessions": None,
    "me_sign_out": None,
    "me_sign_out_everywhere": None,
    "me_change_password": {**_PASSWORD, "new_password": "eleven geese under Gorizia"},
    "me_get_second_factor": None,
    "me_add_second_factor": _PASSWORD,
    "me_confirm_second_factor": {"code": "492039"},
    "me_remove_second_factor": {**_PASSWORD, "code": "492039"},
}

# What anybody may call, reviewed: a line more is a door more.
PUBLIC_OPERATIONS = frozenset(
    {
        # Whoever has the token in its path.
        "inbound_receive",
        "problems_get",
        "problems_list",
        "service_livez",
        "service_readyz",
        "sign_in_refresh",
        "sign_in_reset_password",
        "sign_in_send_magic_link",
        "sign_in_set_password",
        "sign_in_with_identity_provider",
        "sign_in_with_magic_link",
        "sign_in_with_password",
    }
)
# What commits by itself, so that an attempt counts although it is refused, and answers with secrets that are not kept.
DIRECT_OPERATIONS = PUBLIC_OPERATIONS | {
    "calendars_import",
    "events_stream",
    "files_get_content",
    "files_upload",
    "me_add_second_factor",
    "me_change_password",
    "me_confirm_second_factor",
    "me_remove_second_factor",
}
