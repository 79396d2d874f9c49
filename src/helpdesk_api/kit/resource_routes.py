"""The endpoints of a plain resource: list, get, create, update, delete, over the functions of `kit.crud`.

`routes(...)` makes only the endpoints whose models are given. Whatever differs is written beneath by the resource
itself, on the same router.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response

from helpdesk_api.domain.errors import Kind, Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.checked_changes import Check, Follow, change, create
from helpdesk_api.kit.conditional import IfMatch, entity_tag
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.reading_route import ReadingRoute
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_reading import Present, Reading, as_stored
from helpdesk_api.kit.schema import Entity, Input
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.kit.visibility import check_fields

R = TypeVar("R", bound=Entity)

MERGE_PATCH = "application/merge-patch+json"


class ResourceRouter(APIRouter):
    """The router of a resource, at `/v1/<plural>`, which knows what it serves."""

    def __init__(self, resource: Resource[Any]) -> None:
        super().__init__(prefix=f"/v1/{resource.plural}", tags=[resource.plural], route_class=UnitOfWorkRoute)
        self.resource = resource


class MovedError(Refusal):
    """What is asked for was merged into another object, which is at the `Location`; it will always be there."""

    code = "moved"
    title = "The object is at another address now"
    kind = Kind.MOVED

    @classmethod
    def to(cls, location: str, merged: crud.MergedError) -> Self:
        """Make the refusal that leads to another object."""
        refusal = cls(merged.detail, params=merged.params)
        refusal.location = location
        return refusal


def operation(resource: Resource[Any], verb: str) -> str:
    """Give the operation id, such as `tickets_list`; client libraries are named after it, so it never changes."""
    return f"{resource.plural.replace('-', '_')}_{verb}"


def tag_response(response: Response, entity: Entity) -> None:
    """Put the version of what is answered into the ETag."""
    response.headers["etag"] = entity_tag(entity.version)


def routes(
    resource: Resource[R],
    *,
    create: type[Input] | None = None,
    update: type[Input] | None = None,
    removable: bool = True,
    check: Check[R] | None = None,
) -> ResourceRouter:
    """Make a router with the usual endpoints of a resource."""
    router = ResourceRouter(resource)
    add_reading(router, resource)
    if create is not None:
        add_create(router, resource, create, check=check)
    if update is not None:
        add_update(router, resource, update, check=check)
    if removable:
        add_delete(router, resource, check=check)
    return router


def check_given(ctx: Ctx, resource: Resource[Any], body: Input, *, creating: bool = False) -> None:
    """Raise FieldNotAllowedError when a body sets a field that its sender is not shown."""
    given = {name: name for name in sorted(body.model_fields_set)}
    check_fields(resource.groups, ctx.principal.field_groups, given, creating=creating)


def add_reading(
    router: APIRouter,
    resource: Resource[R],
    *,
    present: Present[R] = as_stored,
    fetch: Callable[[Ctx, UUID], Awaitable[R]] | None = None,
) -> Reading[R]:
    """Add the list and the reading of one; gives how the list is read.

    `present` completes rows with what their table does not hold; `fetch` reads one that is complete already.
    """
    reading = Reading(resource, present)
    shapes = reading.shapes
    many = resource.plural.replace("-", " ")
    one = resource.name.replace("_", " ")
    read = f"{resource.plural}:read"

    query_many, query_one = reading.query_many, shapes.query_one()

    async def list_all(request: Request, response: Response, ctx: Ctx) -> Any:
        del response
        return await reading.page(request, ctx, read_query(request, query_many))

    async def get_one(id: UUID, request: Request, response: Response, ctx: Ctx) -> Any:
        query = read_query(request, query_one)
        try:
            if fetch is not None:
                found = await fetch(ctx, id)
            else:
                (found,) = await present(ctx, [await crud.fetch(ctx, resource, id)])
        except crud.MergedError as merged:
            raise MovedError.to(f"/v1/{resource.plural}/{merged.params['merged_into']}", merged) from merged
        if resource.watch is not None:
            await resource.watch(request, ctx, [found])
        tag_response(response, found)
        included = await shapes.with_included(request, ctx, [found], query)
        return shapes.one.trusted({**vars(found), **included}) if included else found

    # The scope is known only now; FastAPI reads annotations when the route is added.
    list_all.__annotations__ |= {"ctx": Annotated[Ctx, allowed(read)]}
    get_one.__annotations__ |= {"ctx": Annotated[Ctx, allowed(read)]}
    router.add_api_route(
        "", list_all, methods=["GET"], route_class_override=ReadingRoute, response_model=shapes.page,
        operation_id=operation(resource, "list"), openapi_extra=documented(query_many), summary=f"List {many}",
        description=f"Pages through the {many} of the tenant, newest first unless `sort` says otherwise.",
    )  # fmt: skip
    router.add_api_route(
        "/{id}", get_one, methods=["GET"], route_class_override=ReadingRoute, response_model=shapes.one,
        operation_id=operation(resource, "get"), openapi_extra=documented(query_one), summary=f"Get one {one}",
        description=f"Reads one {one} by its id.",
    )  # fmt: skip
    return reading


def add_create(
    router: APIRouter,
    resource: Resource[R],
    model: type[Input],
    *,
    verb: str = "write",
    check: Check[R] | None = None,
    follow: Follow[R] | None = None,
    note: str = "",
) -> None:
    """Add the creation of one; `verb` is that of the permission it needs, `note` a sentence for the description."""
    one = resource.name.replace("_", " ")

    async def create_one(body: Input, request: Request, response: Response, ctx: Ctx) -> Any:
        check_given(ctx, resource, body, creating=True)
        created = await create(ctx, resource, body.model_dump(), check=check, follow=follow)
        announce_created(request, response, created)
        return created

    create_one.__annotations__ |= {
        "body": model,
        "ctx": Annotated[Ctx, allowed(f"{resource.plural}:{verb}")],
    }
    router.add_api_route(
        "", create_one, methods=["POST"], status_code=201, response_model=resource.read,
        operation_id=operation(resource, "create"), summary=f"Create a {one}",
        description=f"Stores a new {one} and records `{resource.name}.created`. {note}".rstrip(),
    )  # fmt: skip


def add_update(
    router: APIRouter,
    resource: Resource[R],
    model: type[Input],
    *,
    check: Check[R] | None = None,
    follow: Follow[R] | None = None,
    note: str = "",
) -> None:
    """Add the change of one by merge patch (RFC 7396); `note` is a sentence for the description."""
    one = resource.name.replace("_", " ")

    async def update_one(id: UUID, body: Input, response: Response, expected: IfMatch, ctx: Ctx) -> Any:
        check_given(ctx, resource, body)
        changed = await change(ctx, resource, id, body.given(), expected=expected, check=check, follow=follow)
        tag_response(response, changed)
        return changed

    update_one.__annotations__ |= {
        "body": Annotated[model, Body(media_type=MERGE_PATCH)],
        "ctx": Annotated[Ctx, allowed(f"{resource.plural}:write")],
    }
    router.add_api_route(
        "/{id}", update_one, methods=["PATCH"], response_model=resource.read,
        operation_id=operation(resource, "update"), summary=f"Change a {one}",
        description=(
            f"Changes the given fields (RFC 7396: null empties, absent keeps, lists are replaced) and records "
            f"`{resource.name}.updated`. A patch that changes nothing leaves version and events as they are. {note}"
        ).rstrip(),
    )  # fmt: skip


def add_delete(router: APIRouter, resource: Resource[R], *, check: Check[R] | None = None) -> None:
    """Add the removal of one."""
    one = resource.name.replace("_", " ")

    async def delete_one(id: UUID, expected: IfMatch, ctx: Ctx) -> None:
        if check is not None:
            await check(ctx, {}, await crud.fetch_locked(ctx, resource, id))
        await crud.remove(ctx, resource, id, expected=expected)

    delete_one.__annotations__ |= {"ctx": Annotated[Ctx, allowed(f"{resource.plural}:write")]}
    router.add_api_route(
        "/{id}", delete_one, methods=["DELETE"], status_code=204,
        operation_id=operation(resource, "delete"), summary=f"Delete a {one}",
        description=f"Removes it and records `{resource.name}.deleted`; refused while other objects refer to it.",
    )  # fmt: skip


def announce_created(request: Request, response: Response, created: Entity) -> None:
    """Answer a creation with the place and the version of what was created."""
    response.headers["location"] = f"{request.url.path.rstrip('/')}/{created.id}"
    tag_response(response, created)
