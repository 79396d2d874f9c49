"""Users: the staff of the tenant, as far as tickets are assigned to them and written by them. A plain resource."""

from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import Boolean, Column, Index, Text, UniqueConstraint, Uuid

from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.kit.crud import Include, Resource
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import routes
from helpdesk_api.kit.schema import EmailAddress, Entity, Flag, Input, Line, patch_model
from helpdesk_api.kit.sql import reference, tenant_table

users = tenant_table(
    "users",
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("team_id", Uuid),
    Column("is_active", Boolean, nullable=False),
    UniqueConstraint("tenant_id", "email"),
    reference("team_id", "teams"),
    Index(None, "tenant_id", "team_id"),
)


class UserCreate(Input):
    """A new member of staff."""

    name: Line
    email: Annotated[EmailAddress, Field(description="Unique within the tenant; the domain is kept in lower case.")]
    team_id: Annotated[UUID | None, Field(description="The team the user works in.")] = None
    is_active: Annotated[Flag, Field(description="Inactive users keep their tickets but get no new ones.")] = True


class User(Entity):
    """A member of the tenant's staff."""

    name: str
    email: str
    team_id: UUID | None
    is_active: bool


USERS = Resource(
    name="user",
    plural="users",
    table=users,
    read=User,
    example={
        "name": "Ada Moretti",
        "email": "ada.moretti@service.example",
        "team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02",
        "is_active": True,
    },
    filters=(
        Filter("email", users.c.email, str),
        Filter("team_id", users.c.team_id, UUID),
        Filter("is_active", users.c.is_active, bool),
    ),
    sorts=(Sort("name", users.c.name, "text"),),
    includes=(Include("team", "team_id", TEAMS),),
)

router = routes(USERS, create=UserCreate, update=patch_model(UserCreate))
