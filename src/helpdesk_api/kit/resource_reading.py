"""Reading the objects of a resource: the models of its answers, and its lists with the related objects asked for.

The endpoints that do so are made by `kit.resource_routes`; a list with an endpoint of its own calls `Reading.page`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, Field, create_model

from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import PageQuery
from helpdesk_api.kit.paging import Narrowing, find_page
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity, Output, Page
from helpdesk_api.kit.visibility import check_fields

R = TypeVar("R", bound=Entity)
Present = Callable[[Ctx, list[R]], Awaitable[list[R]]]


class Shapes(Generic[R]):
    """The models a resource answers with: one object and a page, with the related objects asked for."""

    def __init__(self, resource: Resource[R]) -> None:
        self.resource = resource
        title = resource.read.__name__
        extra: Any = {}
        self.one = resource.read
        if resource.includes:
            parts: Any = {
                include.part: (
                    dict.__class_getitem__((UUID, include.resource.read)),
                    Field(description=f"The {include.resource.name.replace('_', ' ')}s that were asked for, by id."),
                )
                for include in resource.includes
            }
            self._included: type[Output] = create_model(f"{title}Included", __base__=Output, **parts)
            self._nothing_included = self._included.trusted({part: {} for part in parts})
            extra = {"included": (self._included, Field(description="Related objects asked for with `include`."))}
            self.one = cast("type[R]", create_model(f"{title}Detail", __base__=resource.read, **extra))
        page: Any = Page.__class_getitem__(resource.read)
        self.page: type[Page[R]] = create_model(
            f"{title}Page", __base__=page, __doc__=f"One page of {title}s.", **extra
        )

    async def with_included(self, request: Request, ctx: Ctx, rows: list[R], query: BaseModel) -> dict[str, Any]:
        """Fetch the related objects that a query asks for; nothing for a resource without relations."""
        if not self.resource.includes:
            return {}
        asked_for = getattr(query, "include", None)
        if not asked_for:
            return {"included": self._nothing_included}
        wanted = asked_for.split(",")
        parts: dict[str, dict[UUID, Entity]] = {include.part: {} for include in self.resource.includes}
        for include in self.resource.includes:
            if include.name in wanted:
                ctx.principal.require(f"{include.resource.plural}:read")
                group = self.resource.groups.get(include.column)
                if group is not None and not ctx.principal.sees(group.name):
                    continue
                ids = {value for row in rows if (value := getattr(row, include.column)) is not None}
                found = await crud.fetch_many(ctx, include.resource, list(ids))
                if include.resource.watch is not None:
                    await include.resource.watch(request, ctx, list(found.values()))
                parts[include.part].update(found)
        return {"included": self._included.trusted(parts)}

    def query(self, base: type[PageQuery]) -> type[PageQuery]:
        """Give the list's query parameters, with `include` when there is something to include."""
        title = f"{self.resource.read.__name__}Query"
        return create_model(title, __base__=base, **_include_field(self.resource))

    def query_one(self) -> type[BaseModel]:
        """Give the query parameters of reading one."""
        title = f"{self.resource.read.__name__}DetailQuery"
        return create_model(title, __config__={"extra": "forbid"}, **_include_field(self.resource))


def _include_field(resource: Resource[Any]) -> dict[str, Any]:
    if not resource.includes:
        return {}
    names = "|".join(include.name for include in resource.includes)
    description = f"Related objects to send along; comma-separated names of {names.replace('|', ', ')}."
    pattern = f"^({names})(,({names}))*$"
    return {"include": (str | None, Field(default=None, pattern=pattern, max_length=200, description=description))}


def check_query(ctx: Ctx, resource: Resource[Any], query: PageQuery) -> None:
    """Raise FieldNotAllowedError when a list is to be narrowed by a field that the caller is not shown."""
    if resource.groups:
        fields = resource.listing.fields_of(query)
        check_fields(resource.groups, ctx.principal.field_groups, fields, location="query")


async def as_stored(ctx: Ctx, rows: list[R]) -> list[R]:
    """Show rows as they are stored."""
    del ctx
    return rows


class Reading(Generic[R]):
    """How the lists of a resource are read and answered, also those that an endpoint of its own makes."""

    def __init__(self, resource: Resource[R], present: Present[R]) -> None:
        self.shapes = Shapes(resource)
        self.query_many = self.shapes.query(resource.listing.query_model)
        self._resource = resource
        self._present = present

    async def page(self, request: Request, ctx: Ctx, query: PageQuery, *, narrowing: Narrowing | None = None) -> Any:
        """Answer with a page of what the caller sees, with the related objects asked for."""
        resource = self._resource
        check_query(ctx, resource, query)
        if resource.guards_lists and not resource.listing.is_looked_up(query):
            ctx.principal.require(f"{resource.plural}:list")
        signer = request.app.state.runtime.signer
        listing = resource.listing
        if resource.refine is not None:
            listing, narrowing = await resource.refine(ctx, listing, query, narrowing)
        found = await find_page(ctx, listing, query, signer, narrowing=narrowing)
        rows = await self._present(ctx, [resource.read.from_record(row) for row in found.rows])
        if resource.watch is not None:
            await resource.watch(request, ctx, rows)
        included = await self.shapes.with_included(request, ctx, rows, query)
        return self.shapes.page.trusted({"data": rows, "page": found.page, "total": found.total, **included})
