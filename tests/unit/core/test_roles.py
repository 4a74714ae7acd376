"""What roles permit, also one that only another version knows."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_core.roles import ALL_ROLES, is_lower, may, may_give_or_take, scopes_of

VIEWER: Any = "viewer"


def test_a_role_of_another_version_permits_nothing() -> None:
    assert scopes_of(VIEWER) == frozenset()
    assert not may(VIEWER, "keys:own")
    assert not any(may_give_or_take(VIEWER, role) for role in ALL_ROLES)
    assert all(scopes_of(role) for role in ALL_ROLES)


@pytest.mark.parametrize("role", ALL_ROLES)
def test_whoever_had_it_may_have_lost_rights(role: Any) -> None:
    assert is_lower(role, VIEWER)
    assert not is_lower(role, role)
