"""Python's cycle collector, set for a server that makes many short-lived objects."""

from __future__ import annotations

import gc

# Objects between two looks at the youngest generation; Python's own 700 are those of one request.
_YOUNG = 20_000
_MIDDLE, _OLD = 20, 20


def tune_garbage_collector() -> None:
    """Leaves what was made at the start alone, and looks for cycles of the rest less often.

    Nearly everything is freed by its last reference; cycles are waited for a little longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
