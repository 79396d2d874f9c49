"""What applied when, as known when: the versions of a contract, read, and written without ever changing what was known.

What an amendment makes of them is `domain.contracts`; who may amend what is `agreements.contract_amending`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, Uuid, any_, bindparam, insert, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.agreements.contract_schemas import ContractVersion
from helpdesk_api.agreements.contract_tables import contract_versions
from helpdesk_api.domain.contracts import ContractTerms, Renewal, ServiceTerms, Spell
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.sql import Statement

TERMS: Final = tuple(field.name for field in fields(ContractTerms))
_SETS: Final = frozenset({"company_ids", "location_ids", "asset_ids", "asset_type_ids"})

_known_at = bindparam("known_at", type_=DateTime(timezone=True))
_at = bindparam("at", type_=DateTime(timezone=True))
_version = contract_versions.c
_as_known = (
    select(*(_version[name] for name in ContractVersion.model_fields))
    .where(
        _version.tenant_id == bindparam("tenant"),
        _version.contract_id == bindparam("contract"),
        _version.recorded_at <= _known_at,
        or_(_version.superseded_at.is_(None), _version.superseded_at > _known_at),
    )
    .order_by(_version.effective_from.nulls_first())
)
_AS_KNOWN = Statement(_as_known)
_AS_KNOWN_AT = Statement(
    _as_known.where(
        or_(_version.effective_from.is_(None), _version.effective_from <= _at),
        or_(_version.effective_until.is_(None), _version.effective_until > _at),
    )
)
_OF_MANY = Statement(
    select(_version.contract_id, *(_version[name] for name in ContractVersion.model_fields))
    .where(
        _version.tenant_id == bindparam("tenant"),
        _version.contract_id == any_(bindparam("contracts", type_=ARRAY(Uuid))),
        _version.superseded_at.is_(None),
    )
    .order_by(_version.contract_id, _version.effective_from.nulls_first())
)
_SUPERSEDE = Statement(
    update(contract_versions)
    .where(_version.tenant_id == bindparam("tenant"), _version.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .values(superseded_at=bindparam("now", type_=DateTime(timezone=True)))
)


async def versions_of(
    ctx: Ctx, contract_id: UUID, *, known_at: datetime, at: datetime | None = None
) -> list[ContractVersion]:
    """Read the versions as they were known at an instant: all of them, or the one that applies at `at`."""
    params = {"tenant": ctx.tenant_id, "contract": contract_id, "known_at": known_at}
    if at is None:
        return await ctx.tx.all(ContractVersion, _AS_KNOWN, params)
    return await ctx.tx.all(ContractVersion, _AS_KNOWN_AT, params | {"at": at})


async def spells_of_many(ctx: Ctx, contract_ids: Sequence[UUID]) -> dict[UUID, list[Spell]]:
    """Read what is known now of several contracts, in the order in which it takes effect."""
    found: dict[UUID, list[Spell]] = {contract_id: [] for contract_id in contract_ids}
    for row in await ctx.tx.rows(_OF_MANY, {"tenant": ctx.tenant_id, "contracts": list(contract_ids)}):
        found[row["contract_id"]].append(
            Spell(row["effective_from"], row["effective_until"], read_terms({name: row[name] for name in TERMS}))
        )
    return found


async def replace_versions(ctx: Ctx, contract_id: UUID, *, replaced: Sequence[UUID], added: Sequence[Spell]) -> None:
    """Let versions be known no longer, and others from now on."""
    await ctx.tx.run(_SUPERSEDE, {"tenant": ctx.tenant_id, "ids": list(replaced), "now": ctx.now})
    for spell in added:
        await ctx.tx.run(
            insert(contract_versions).values(
                tenant_id=ctx.tenant_id,
                id=new_id(),
                contract_id=contract_id,
                effective_from=spell.effective_from,
                effective_until=spell.effective_until,
                recorded_at=ctx.now,
                reason=spell.reason,
                **stored_terms(spell.terms),
            )
        )


def spell_of(version: ContractVersion) -> Spell:
    """Give a version as the value that amendments are reckoned with."""
    terms = read_terms({name: getattr(version, name) for name in TERMS})
    return Spell(version.effective_from, version.effective_until, terms, version.reason)


def read_terms(stored: Mapping[str, Any], base: ContractTerms | None = None) -> ContractTerms:
    """Give terms as a value, from what is stored or given; `base` tells what is not."""
    said: dict[str, Any] = {} if base is None else {name: getattr(base, name) for name in TERMS}
    for name, value in stored.items():
        if name in _SETS:
            said[name] = frozenset(value)
        elif name == "services":
            said[name] = tuple(sorted(map(_service, value), key=lambda service: service.service_id))
        else:
            said[name] = Renewal(value) if name == "renewal" else value
    return ContractTerms(**said)


def stored_terms(terms: ContractTerms) -> dict[str, Any]:
    """Give terms in the form in which they are stored."""
    stored: dict[str, Any] = {name: getattr(terms, name) for name in TERMS}
    offers = [
        {
            "service_id": str(offer.service_id),
            "sla_policy_id": _text(offer.sla_policy_id),
            "calendar_id": _text(offer.calendar_id),
        }
        for offer in terms.services
    ]
    listed: dict[str, list[UUID]] = {name: sorted(stored[name]) for name in _SETS}
    return stored | listed | {"services": offers, "renewal": terms.renewal.value}


def _service(offer: Mapping[str, Any]) -> ServiceTerms:
    ids = {name: None if offer[name] is None else UUID(str(offer[name])) for name in ("sla_policy_id", "calendar_id")}
    return ServiceTerms(UUID(str(offer["service_id"])), **ids)


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
