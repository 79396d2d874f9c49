"""The examples of signing in: bodies that belong to no resource."""

from typing import Any, Final

_TENANT = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e00"
_USER = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03"
_PERSON = {"tenant_id": _TENANT, "email": "ada.moretti@service.example"}

SESSION_TOKENS: Final = {
    "session_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e80",
    "token_type": "Bearer",
    "access_token": "hd_access_<tenant and token>_<secret>_<checksum>",
    "access_token_expires_at": "2026-11-23T09:15:00Z",
    "refresh_token": "hd_refresh_<tenant and token>_<secret>_<checksum>",
    "refresh_token_expires_at": "2026-11-30T09:00:00Z",
}
_SESSION = {
    "id": SESSION_TOKENS["session_id"],
    "created_at": "2026-11-23T09:00:00Z",
    "updated_at": "2026-11-23T09:00:00Z",
    "version": 1,
    "user_id": _USER,
    "contact_id": None,
    "method": "password",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "expires_at": "2026-12-23T09:00:00Z",
    "refreshed_at": "2026-11-23T09:00:00Z",
    "ended_at": None,
    "end_reason": None,
}
SIGN_IN_EXAMPLES: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("SignIn", {**_PERSON, "password": "seven geese over Trieste", "code": "492039"}),
    ("SessionTokens", SESSION_TOKENS),
    ("TokenRefresh", {"refresh_token": SESSION_TOKENS["refresh_token"]}),
    ("TokenExchange", {"tenant_id": _TENANT, "token": "<header>.<claims>.<signature>"}),
    ("SignInSettingsUpdate", {"staff_url": "https://desk.service.example/password"}),
    ("LinkRequest", _PERSON),
    ("MagicLinkToken", {"token": "hd_link_<tenant and link>_<secret>_<checksum>"}),
    ("LinkRequested", {"life_seconds": 3_600}),
    (
        "PasswordChoice",
        {"token": "hd_link_<tenant and link>_<secret>_<checksum>", "password": "seven geese over Trieste"},
    ),
    (
        "PasswordChange",
        {"current_password": "seven geese over Trieste", "new_password": "eleven geese under Gorizia"},
    ),
    ("SecondFactorStart", {"current_password": "seven geese over Trieste"}),
    ("SecondFactorConfirmation", {"code": "492039"}),
    ("SecondFactorRemoval", {"current_password": "seven geese over Trieste", "code": "492039"}),
    (
        "NewSecondFactor",
        {
            "secret": "JBSWY3DPEHPK3PXP",
            "uri": "otpauth://totp/Nordlicht:ada.moretti%40service.example?secret=JBSWY3DPEHPK3PXP&issuer=Nordlicht",
        },
    ),
    ("RecoveryCodes", {"recovery_codes": ["k7mp-2xqa-9vre-hd3t", "w4ns-c8fj-b6ug-z5yk"]}),
    ("SecondFactorState", {"is_active": True, "recovery_codes_left": 10}),
    ("OwnSessions", {"data": [_SESSION]}),
)
