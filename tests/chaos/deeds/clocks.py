"""Wall clocks of operators and APIs that are set while they run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.chaos.deeds.processes import kind_of
from tests.chaos.disturbance import Deed, Moment
from tests.support.faketime import wall_clock_off_by

_JUMPS = (-3600, -120, -30, 30, 90, 3600)


class SetClock:
    """The wall clock of one process, which reads it anew from a file every second."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        self._file.write_text(f"{seconds:+d}")

    def environment(self) -> dict[str, str]:
        """What a process needs that goes by this clock. Raises where the library cannot be had."""
        given = wall_clock_off_by(0)
        # It would have precedence over the file.
        del given["FAKETIME"]
        return given | {
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
        }


def clock_deeds(clocks: dict[str, SetClock]) -> list[Deed]:
    """By the name of the process that goes by it."""
    return [
        Deed(f"clock of {name}", 1, partial(_jump, name, clock)) for name, clock in clocks.items()
    ]


def _jump(name: str, clock: SetClock, moment: Moment) -> str:
    clock.set(moment.drawn.choice(_JUMPS))
    moment.pause(moment.seconds * 2)
    clock.set(0)
    return f"set clock of {kind_of(name)}"
