"""The settings of a process, read once from `HELPDESK_*` variables and frozen.

Only main, worker, ops, the commands and the migrations read them; everything below gets values. All errors are told at
once, and a variable nobody knows is one of them: a misspelt setting that is silently ignored is worse than a refusal
to start.
"""

import os
import re
import secrets
from collections.abc import Mapping
from email.utils import parseaddr
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from helpdesk_api.kit.sealing import SealingKey

PREFIX = "HELPDESK_"
EXIT_BAD_CONFIGURATION = 78
_SHORTEST_SECRET = 32
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FOR_COMMANDS = frozenset({"HELPDESK_DATA_DIR", "HELPDESK_URL", "HELPDESK_KEY"})


class ConfigurationError(Exception):
    """The settings cannot be used; `problems` lists everything that is wrong with them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """Everything that may be set from outside."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    environment: Annotated[
        Literal["development", "production"], Field(description="`production` refuses what is only safe on a laptop.")
    ] = "development"
    database_url: Annotated[
        SecretStr | None,
        Field(description="PostgreSQL as helpdesk_app. Absent: `helpdesk up` starts an embedded one."),
    ] = None
    migration_database_url: Annotated[
        SecretStr | None, Field(description="The same database as helpdesk_owner, who owns the schema.")
    ] = None
    redis_url: Annotated[
        SecretStr | None, Field(description="Redis or Valkey, the doorbell. Absent: `helpdesk up` starts one.")
    ] = None
    secret_key: Annotated[
        SecretStr | None,
        Field(description="Signs page cursors and seals stored secrets; at least 32 characters, the same everywhere."),
    ] = None
    sealing_keys: Annotated[
        SecretStr | None,
        Field(
            description="Keys that seal stored secrets, comma-separated `id:base64 of 32 bytes`: the first seals, all "
            "open. Absent: one derived from HELPDESK_SECRET_KEY, which also opens what it has sealed."
        ),
    ] = None
    operator_key: Annotated[
        SecretStr | None,
        Field(description="Opens /operator/v1, which does not exist without it; at least 32 characters."),
    ] = None
    host: Annotated[str, Field(description="Address the API listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535, description="Port the API listens on.")] = 8000
    cors_origins: Annotated[
        tuple[str, ...], NoDecode, Field(description="Origins of browser front ends, comma-separated.")
    ] = ()
    pool_size: Annotated[int, Field(ge=2, le=200, description="Database connections of one process.")] = 10
    pool_wait_seconds: Annotated[
        float, Field(ge=0.05, le=60, description="How long a request waits for one of them before it is answered 503.")
    ] = 2.0
    max_body_bytes: Annotated[int, Field(ge=1_024, le=64 * 2**20, description="Largest request body.")] = 2**20
    max_file_bytes: Annotated[int, Field(ge=1_024, le=512 * 2**20, description="Largest file.")] = 25 * 2**20
    sweep_seconds: Annotated[
        float, Field(ge=0.05, le=60, description="How often a worker looks for due work that no bell announced.")
    ] = 1.0
    outbound_allow: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="Networks that webhooks may reach although they are private, comma-separated CIDR."),
    ] = ()
    smtp_host: Annotated[
        str | None, Field(max_length=253, description="Mail server. Absent: e-mail is written to the outbox folder.")
    ] = None
    smtp_port: Annotated[int, Field(ge=1, le=65_535, description="Port of the mail server.")] = 587
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"], Field(description="How the connection to the mail server is protected.")
    ] = "starttls"
    smtp_username: Annotated[str | None, Field(description="Name to sign in to the mail server with.")] = None
    smtp_password: Annotated[SecretStr | None, Field(description="Password to sign in to the mail server with.")] = None
    smtp_from: Annotated[str, Field(max_length=254, description="Address that e-mail comes from.")] = (
        "helpdesk@localhost"
    )
    mail_outbox: Annotated[
        str | None,
        Field(description="Folder that e-mail is written to without a mail server. `helpdesk up` chooses one."),
    ] = None
    egress_networks: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="Networks that webhooks are sent from, told to integrators; comma-separated CIDR."),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="Networks of the proxies whose X-Forwarded-For is believed, comma-separated CIDR."),
    ] = ()
    rate_limit_credential: Annotated[
        int, Field(ge=0, le=1_000_000, description="Requests per minute of one credential; 0 for no limit.")
    ] = 6_000
    rate_limit_tenant: Annotated[
        int, Field(ge=0, le=1_000_000, description="Requests per minute of one tenant; 0 for no limit.")
    ] = 30_000
    rate_limit_address: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="Requests per minute of one address that need no credential or bring a wrong one; 0: no limit.",
        ),
    ] = 300
    usage_seconds: Annotated[
        float, Field(ge=0.05, le=60, description="How often a process stores what API keys were used for.")
    ] = 15.0
    streams_of_caller: Annotated[
        int,
        Field(ge=1, le=100_000, description="Event streams and waiting requests that one caller may hold at once."),
    ] = 50
    streams_of_tenant: Annotated[
        int,
        Field(ge=1, le=100_000, description="Event streams and waiting requests of one tenant at once."),
    ] = 2_000
    stream_heartbeat_seconds: Annotated[
        float,
        Field(ge=0.05, le=60, description="How often a quiet event stream gives a sign of life and checks its caller."),
    ] = 10.0
    drain_seconds: Annotated[
        float,
        Field(ge=0, le=60, description="How long the API still serves, no longer ready, after it was told to stop."),
    ] = 0.0
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="Least severe log line.")] = (
        "info"
    )
    log_format: Annotated[Literal["json", "console"], Field(description="Log lines for machines or for people.")] = (
        "json"
    )

    @field_validator("cors_origins", "outbound_allow", "egress_networks", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("outbound_allow", "egress_networks", "trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            ip_network(part)
        return value

    @field_validator("sealing_keys")
    @classmethod
    def _readable_keys(cls, value: SecretStr | None) -> SecretStr | None:
        ids = [key.id for key in _sealing_keys(value)]
        if len(set(ids)) < len(ids):
            message = "two keys have the same id"
            raise ValueError(message)
        return value

    @field_validator("smtp_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        if _CONTROL.search(value) or not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(value)[1]):
            message = f"{value!r} is not an e-mail address"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _safe_in_production(self) -> "Settings":
        if self.secret_key is not None and len(self.secret_key.get_secret_value()) < _SHORTEST_SECRET:
            message = f"secret_key must have at least {_SHORTEST_SECRET} characters"
            raise ValueError(message)
        if self.operator_key is not None and len(self.operator_key.get_secret_value()) < _SHORTEST_SECRET:
            message = f"operator_key must have at least {_SHORTEST_SECRET} characters"
            raise ValueError(message)
        if self.environment == "production":
            missing = [name for name in ("database_url", "redis_url", "secret_key") if getattr(self, name) is None]
            if self.smtp_host is not None and self.smtp_security == "none":
                message = "production speaks to the mail server over TLS; set HELPDESK_SMTP_SECURITY"
                raise ValueError(message)
            if missing:
                message = f"production needs {', '.join(PREFIX + name.upper() for name in missing)}"
                raise ValueError(message)
        return self

    @cached_property
    def signing_secret(self) -> bytes:
        """Give the secret for cursors; without a setting one is made up that lives as long as the process."""
        return (self.secret_key.get_secret_value() if self.secret_key else secrets.token_hex()).encode()

    @property
    def keyring(self) -> tuple[SealingKey, ...]:
        """Give the keys that open sealed values; the first one seals."""
        return (*_sealing_keys(self.sealing_keys), SealingKey.derived(self.signing_secret))

    @property
    def outbound_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Give the private networks that outbound requests may reach."""
        return tuple(ip_network(part) for part in self.outbound_allow)


def _sealing_keys(value: SecretStr | None) -> list[SealingKey]:
    texts = value.get_secret_value().split(",") if value else []
    return [SealingKey.read(text.strip()) for text in texts if text.strip()]


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises ConfigurationError with everything that is wrong."""
    names = os.environ if environ is None else environ
    known = {PREFIX + name.upper() for name in Settings.model_fields} | _FOR_COMMANDS
    problems = [f"{name} is not a setting" for name in sorted(names) if name.startswith(PREFIX) and name not in known]
    values = {name: names[PREFIX + name.upper()] for name in Settings.model_fields if names.get(PREFIX + name.upper())}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [
            f"{PREFIX + str(item['loc'][0]).upper() if item['loc'] else 'settings'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError(problems) from None
    if problems:
        raise ConfigurationError(problems)
    return settings
