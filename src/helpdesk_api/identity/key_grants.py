"""What a key may be given: permissions of its own or those of somebody it stands for, never more than its giver has."""

from typing import Protocol
from uuid import UUID

from helpdesk_api.domain.errors import ForbiddenError, InvalidError
from helpdesk_api.identity.permissions import check_known
from helpdesk_api.identity.principals import principal_of_contact, principal_of_role, principal_of_user
from helpdesk_api.identity.roles import check_role
from helpdesk_api.kit.context import Ctx, Principal

HOLDERS = ("user_id", "contact_id", "role_id")


class ScopeExceedsOwnError(ForbiddenError):
    """A credential can only hand out what it may do itself."""

    code = "scope_exceeds_own"
    title = "The new key would be allowed more than its creator"


class NothingGrantedError(InvalidError):
    """A key of its own needs at least one permission."""

    code = "nothing_granted"
    title = "The key may do nothing"


class SeveralHoldersError(InvalidError):
    """A key stands for one user, one contact or one role, if for any."""

    code = "several_holders"
    title = "The key stands for more than one"


class Grant(Protocol):
    """What a key may do, whether it is to be created or is there already."""

    @property
    def scopes(self) -> list[str]:
        """Permissions."""

    @property
    def field_groups(self) -> list[str]:
        """Guarded fields."""

    @property
    def user_id(self) -> UUID | None:
        """The user it stands for."""

    @property
    def contact_id(self) -> UUID | None:
        """The contact it stands for."""

    @property
    def role_id(self) -> UUID | None:
        """The role it has."""


async def check_grant(ctx: Ctx, grant: Grant) -> None:
    """Raise unless a key can be given this, by whomever.

    Raises NothingGrantedError, SeveralHoldersError, UnknownPermissionError, UnknownFieldGroupError and
    ReachMismatchError.
    """
    check_known(grant.scopes, grant.field_groups, named="scopes")
    holders = [name for name in HOLDERS if getattr(grant, name) is not None]
    if len(holders) > 1:
        message = f"Name one of {', '.join(holders)}, not several."
        raise SeveralHoldersError(message, pointer=f"/{holders[1]}")
    if not holders and not grant.scopes:
        message = "Name at least one permission in scopes, or for whom the key stands."
        raise NothingGrantedError(message, pointer="/scopes")
    if grant.role_id is not None:
        await check_role(ctx, {"role_id": grant.role_id}, field="role_id", audience="staff")


async def check_within_own(ctx: Ctx, grant: Grant) -> None:
    """Raise ScopeExceedsOwnError when a key would be allowed more than the caller."""
    for index, scope in enumerate(grant.scopes):
        if not ctx.principal.may(scope):
            message = f"This credential does not have the permission {scope} and so cannot give it."
            raise ScopeExceedsOwnError(message, pointer=f"/scopes/{index}")
    for index, group in enumerate(grant.field_groups):
        if not ctx.principal.sees(group):
            message = f"This credential is not shown the field group {group} and so cannot give it."
            raise ScopeExceedsOwnError(message, pointer=f"/field_groups/{index}")
    holder = await _holder(ctx, grant)
    if not ctx.principal.reach.is_unlimited or (holder is not None and not holder.is_within(ctx.principal)):
        message = "This credential may do less, or sees less, than the key would."
        raise ScopeExceedsOwnError(message)


async def _holder(ctx: Ctx, grant: Grant) -> Principal | None:
    if grant.user_id is not None:
        return await principal_of_user(ctx.tx, ctx.tenant_id, grant.user_id, credential_id=None)
    if grant.contact_id is not None:
        return await principal_of_contact(ctx.tx, ctx.tenant_id, grant.contact_id, credential_id=None)
    if grant.role_id is not None:
        return await principal_of_role(ctx.tx, ctx.tenant_id, grant.role_id, key_id=None)
    return None
