"""Teams: groups of users that tickets are assigned to. A plain resource."""

from typing import Annotated

from pydantic import Field
from sqlalchemy import Column, Text, UniqueConstraint

from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Input, Line, Prose, patch_model
from helpdesk_api.kit.sql import tenant_table

teams = tenant_table(
    "teams",
    Column("name", Text, nullable=False),
    Column("description", Text),
    UniqueConstraint("tenant_id", "name"),
)


class TeamCreate(Input):
    """A new team."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    description: Prose | None = None


class Team(Entity):
    """A group of users that tickets are assigned to."""

    name: str
    description: str | None


TEAMS = Resource(
    name="team",
    plural="teams",
    table=teams,
    read=Team,
    example={"name": "Network", "description": "Routers, switches and everything between them."},
    filters=(Filter("name", teams.c.name, str),),
    sorts=(Sort("name", teams.c.name, "text"),),
    rows=SHARED,
)

router = routes(TEAMS, create=TeamCreate, update=patch_model(TeamCreate))
