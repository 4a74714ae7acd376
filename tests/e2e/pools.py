"""The test pool, held back so that jobs gather, and then let go one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.platform_under_test import PlatformUnderTest


@contextmanager
def held_pool(platform: PlatformUnderTest) -> Iterator[Callable[[], None]]:
    """Nothing runs on the test pool until what is yielded is called: then in a single slot.

    The pool is as it was in the end.
    """

    def shape(modes: list[str], slots: int) -> None:
        patch = json.dumps({"spec": {"modes": modes, "slotsPerReplica": slots}})
        platform.kubectl("patch", "tp", "test", "--type=merge", "-p", patch)

    spec = json.loads(platform.kubectl("get", "tp", "test", "-o", "json").stdout)["spec"]
    modes, slots = spec["modes"], spec["slotsPerReplica"]
    shape(["none"], 1)
    try:
        yield lambda: shape(modes, 1)
    finally:
        shape(modes, slots)
