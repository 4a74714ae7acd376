"""What members of a workspace may do, as plain rules."""

from __future__ import annotations

from typing import Literal

from imagerift_core.api_keys import ALL_SCOPES

Role = Literal["owner", "admin", "member"]
# From the most to the least that one may do.
ALL_ROLES: tuple[Role, ...] = ("owner", "admin", "member")
Permission = Literal["keys:own", "keys:any", "members:manage", "webhooks:manage", "log:read"]

_PERMITTED: dict[Permission, frozenset[Role]] = {
    "keys:own": frozenset(ALL_ROLES),
    "keys:any": frozenset({"owner", "admin"}),
    "members:manage": frozenset({"owner", "admin"}),
    "webhooks:manage": frozenset({"owner", "admin"}),
    "log:read": frozenset({"owner"}),
}


def is_lower(role: Role, than: Role) -> bool:
    """Whether a change from `than` to `role` takes rights away, or may: from one not known here."""
    return than not in ALL_ROLES or ALL_ROLES.index(role) > ALL_ROLES.index(than)


def may(role: Role, permission: Permission) -> bool:
    return role in _PERMITTED[permission]


def may_give_or_take(actor: Role, role: Role) -> bool:
    """Whether `actor` may make someone a `role`, or remove someone who is one.

    Owners are made and removed by owners alone.
    """
    return may(actor, "members:manage") and (role != "owner" or actor == "owner")


def givers_of(role: Role) -> list[Role]:
    """The roles of those who may make someone a `role`."""
    return [actor for actor in ALL_ROLES if may_give_or_take(actor, role)]


def scopes_of(role: Role) -> frozenset[str]:
    """The scopes that a member has: those of a session, and the most that a key can have.

    A role of another version, of which nobody here knows what it permits, has none.
    """
    if role not in ALL_ROLES:
        return frozenset()
    scopes = frozenset[str](ALL_SCOPES)
    return scopes if may(role, "webhooks:manage") else scopes - {"webhooks:manage"}
