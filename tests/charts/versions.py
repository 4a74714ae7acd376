"""The charts' values that follow from the version of a live API server."""

from __future__ import annotations

import re

FIRST_CURRENT = (1, 29)


def is_old(git_version: str) -> bool:
    """Whether a server of that version (`v1.34.7`) needs the charts' switch for old clusters."""
    numbers = re.match(r"v(\d+)\.(\d+)", git_version)
    assert numbers is not None, git_version
    return (int(numbers[1]), int(numbers[2])) < FIRST_CURRENT


def compatibility(git_version: str) -> tuple[str, str]:
    """The options for Helm."""
    return "--set", f"compatibility.kubernetes120={str(is_old(git_version)).lower()}"
