"""Whether this machine is one that a node, and what is built as root, can be started on."""

from __future__ import annotations

import os

from imagerift_local import machine
from imagerift_local.errors import PlatformError


def check_machine(what: str) -> None:
    """Refuses what the embedded platform refuses, and everyone but root; `what` needs it.

    Raises:
        PlatformError: says what is missing.
    """
    machine.check_machine()
    if os.geteuid() != 0:
        raise PlatformError(f"{what} needs root, and you are not root.")
