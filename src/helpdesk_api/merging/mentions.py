"""Where cards are named beside the columns that point at them: in lists and in values of custom fields.

Versions of contracts, which name clients and places too, are `merging.contracts`. A list or a value follows with the
row that holds it. What people have set, such as whom a role sees or for whom a rule is, is left as it is and counted: a
merge must not widen what anybody sees, nor undo what somebody has decided.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, Text, any_, cast, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.sqltypes import Uuid

from helpdesk_api.agreements.contract_tables import contract_versions
from helpdesk_api.agreements.sla_policies import sla_policies
from helpdesk_api.automation.macros import macros
from helpdesk_api.automation.rules import rules
from helpdesk_api.directory.companies import companies
from helpdesk_api.directory.custom_fields.models import COLUMN, custom_field_values
from helpdesk_api.directory.locations import locations
from helpdesk_api.identity.roles import roles
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity
from helpdesk_api.merging.contracts import LISTED, rename_back_in_contracts, rename_in_contracts
from helpdesk_api.merging.pointers import LISTING, TOLD, Absorption
from helpdesk_api.webhooks.models import webhook_endpoints

_LEFT: Final = (
    (roles, roles.c.company_ids),
    (sla_policies, sla_policies.c.condition),
    (rules, rules.c.condition),
    (rules, rules.c.actions),
    (macros, macros.c.actions),
    (webhook_endpoints, webhook_endpoints.c.condition),
)
_OWNERS: Final = {
    "ticket_id": "tickets",
    "company_id": "companies",
    "contact_id": "contacts",
    "location_id": "locations",
}

# What stood in a field of a row, and what stands there since, by the field and the id of the row.
Mentions = dict[str, dict[str, list[Any]]]


async def rename(ctx: Ctx, step: Absorption) -> Mentions:
    """Have lists, values and contracts name one card in place of another; gives what stood there before."""
    found: Mentions = {}
    async for resource, field, row_id in _mentioned(ctx, step.card, step.loser_id):
        before = await crud.fetch_locked(ctx, resource, row_id)
        old = getattr(before, field)
        new = _renamed(old, str(step.loser_id), str(step.winner_id))
        await _store(ctx, resource, before, {field: new}, step.cause)
        found.setdefault(f"{resource.table.name}.{field}", {})[str(row_id)] = [_plain(old), _plain(new)]
    if in_contracts := await rename_in_contracts(ctx, step):
        found[f"{contract_versions.name}.{LISTED[step.card]}"] = in_contracts
    return found


async def rename_back(ctx: Ctx, step: Absorption, mentions: Mentions) -> None:
    """Have what was renamed say again what it said, where it was not changed since."""
    for name, rows in mentions.items():
        table, _, field = name.partition(".")
        if table == contract_versions.name:
            await rename_back_in_contracts(ctx, step, rows)
            continue
        resource = TOLD[table]
        present = await crud.fetch_many(ctx, resource, [UUID(each) for each in rows])
        for row_id, (old, new) in rows.items():
            if UUID(row_id) not in present:
                continue
            before = await crud.fetch_locked(ctx, resource, UUID(row_id))
            left = _reverted(_plain(getattr(before, field)), old, new)
            if left != _plain(getattr(before, field)):
                await _store(ctx, resource, before, {field: _typed(resource, field, left)}, step.cause)


async def still_named(ctx: Ctx, loser_ids: list[UUID]) -> dict[str, int]:
    """Count the settings that name one of these cards, by their kind."""
    counts: dict[str, int] = {}
    for table, column in _LEFT:
        shown = cast(column, Text)
        named = shown.like(any_(literal([f"%{each}%" for each in loser_ids], ARRAY(Text()))))
        count = await ctx.tx.value(select(func.count()).where(table.c.tenant_id == ctx.tenant_id, named))
        if count:
            kind = table.name.replace("_", "-")
            counts[kind] = counts.get(kind, 0) + count
    return counts


async def _mentioned(ctx: Ctx, card: Table, loser_id: UUID) -> AsyncIterator[tuple[Resource[Any], str, UUID]]:
    for resource in LISTING:
        for listed in resource.reference_lists:
            if listed.resource.table is not card:
                continue
            links = listed.links
            owner, target = links.c[listed.owner], links.c[listed.target]
            rows = await ctx.tx.rows(
                select(owner).where(links.c.tenant_id == ctx.tenant_id, target == loser_id).order_by(owner)
            )
            for row in rows:
                yield resource, listed.column, row[0]
    values = custom_field_values.c
    named_by = {companies: values.company_value, locations: values.location_value}
    if card not in named_by:
        return
    rows = await ctx.tx.rows(
        select(*(values[name] for name in _OWNERS))
        .where(values.tenant_id == ctx.tenant_id, named_by[card] == loser_id, values.object_id != loser_id)
        .distinct()
    )
    for row in rows:
        for column, table in _OWNERS.items():
            if row[column] is not None:
                yield TOLD[table], COLUMN, row[column]


async def _store(
    ctx: Ctx, resource: Resource[Any], before: Entity, values: dict[str, Any], cause: dict[str, Any]
) -> None:
    after = await crud.store_changes(ctx, resource, before, values)
    record(
        ctx,
        f"{resource.name}.updated",
        object_id=before.id,
        version=after.version,
        changes={field: (getattr(before, field), getattr(after, field)) for field in values},
        data=cause,
    )


def _renamed(value: Any, old: str, new: str) -> Any:  # noqa: ANN401 - the value of any field.
    """Give a value that names another card; a list names each once."""
    match value:
        case list():
            return list(_each_once([_renamed(each, old, new) for each in value]))
        case dict():
            return {key: _renamed(each, old, new) for key, each in value.items()}
        case UUID() if str(value) == old:
            return UUID(new)
        case str() if value == old:
            return new
        case _:
            return value


def _each_once(values: list[Any]) -> Iterator[Any]:
    known: list[Any] = []
    for each in values:
        name = each["company_id"] if isinstance(each, dict) and "company_id" in each else each
        if name not in known:
            known.append(name)
            yield each


def _reverted(now: Any, old: Any, new: Any) -> Any:  # noqa: ANN401 - the value of any field.
    if now == new:
        return old
    if isinstance(now, dict) and isinstance(old, dict) and isinstance(new, dict):
        return {key: _reverted(value, old.get(key, value), new.get(key)) for key, value in now.items()}
    return now


def _plain(value: Any) -> Any:  # noqa: ANN401 - the value of any field.
    """Give a value as a snapshot holds it."""
    match value:
        case list():
            return [_plain(each) for each in value]
        case UUID():
            return str(value)
        case _:
            return value


def _typed(resource: Resource[Any], field: str, value: Any) -> Any:  # noqa: ANN401 - the value of any field.
    kind = resource.table.c[field].type
    is_ids = isinstance(kind, ARRAY) and isinstance(kind.item_type, Uuid)
    return [UUID(each) for each in value] if is_ids else value
