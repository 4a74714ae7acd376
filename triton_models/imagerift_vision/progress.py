"""How far attempts are: told into the files of those that run, and read from there by `control`.

Each file has two lines of one length, written in place: what the entry model is at, and what the
mode's model does for it. So a change costs a write of a few bytes into a file that is there.
"""

import json
import os
import time
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack

from imagerift_contract.values import MAX_PICTURES, ProgressStage

LINE_BYTES = 256
# Beside the attempts' files, one for each mode's model that tells when it begins.
TELLS_SUFFIX = ".tells"
SLOTS_SUFFIX = ".slots"
_ENTRY, _MODEL = range(2)
_NOTHING = b" " * (LINE_BYTES - 1) + b"\n"


class Told(TypedDict, total=False):
    """What may be told, each time as much as has changed."""

    stage: ProgressStage
    model: str
    """The mode's model that is asked."""
    variation: int
    """The first of those that are made now, 0 for the first of all."""
    pictures: int
    """Of the whole attempt."""
    drawn: int
    """Pictures that are drawn; not necessarily uploaded."""
    finished: int
    """Pictures that are uploaded, or left out."""
    shown: int
    """Those of which a thumbnail is uploaded too, a bit each: so it is short in the file."""
    first: int
    """Position in the call's seeds of the first that is drawn now."""
    together: int
    """How many are drawn at once."""
    step: int
    """Steps done of `steps`, for those that are drawn now; 0 of 0 where there are none."""
    steps: int


class Teller(Protocol):
    """Takes what is told of an attempt."""

    def tell(self, **told: Unpack[Told]) -> None:
        """Says how far the attempt is; what is not named stays as it was."""


class Untold:
    """Nobody is told."""

    def tell(self, **_told: Unpack[Told]) -> None:
        """Nothing is written."""


class _Line:
    """A line, and the time of a step: measured from when the first of them was told of."""

    def __init__(self) -> None:
        self._told: Told = {}
        self._began = 0.0

    def _changed(self, told: Told, *, anew: bool) -> bytes:
        at = time.monotonic()
        if anew:
            self._told.pop("step", None)
            self._told.pop("steps", None)
        if anew or told.get("step") == 0:
            self._began = at
        self._told |= told
        step = self._told.get("step", 0)
        measured = {"stepSeconds": round((at - self._began) / step, 4)} if step else {}
        text = json.dumps({**self._told, **measured}, separators=(",", ":")).encode()
        if len(text) >= LINE_BYTES:
            return _NOTHING
        return text.ljust(LINE_BYTES - 1) + b"\n"


class EntryLine(_Line):
    """What an entry model is at, in the file that its attempt has open."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def tell(self, **told: Unpack[Told]) -> None:
        """Write it. At another stage no mode's model does anything, until it says so."""
        anew = "stage" in told
        line = self._changed(told, anew=anew)
        os.pwrite(self._descriptor, line + _NOTHING if anew else line, _ENTRY * LINE_BYTES)


class ModelLine(_Line):
    """What a mode's model does for an attempt; nothing is written where that does not run."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._descriptor: int | None = None

    def tell(self, **told: Unpack[Told]) -> None:
        """Write it."""
        line = self._changed(told, anew="first" in told)
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_WRONLY)
            except FileNotFoundError:
                return
        os.pwrite(self._descriptor, line, _MODEL * LINE_BYTES)

    def close(self) -> None:
        """Let the file go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def tells(folder: Path, model: str) -> None:
    """Notes that this mode's model tells when it begins: an attempt without that waits for it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / f"{model}{TELLS_SUFFIX}").touch(mode=0o600)


def say_slots(folder: Path, model: str, model_config: str) -> None:
    """Notes how many calls an entry model takes at once: its instances, in Triton's own words."""
    groups = json.loads(model_config).get("instance_group") or ()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"{model}{SLOTS_SUFFIX}.{os.getpid()}"
    fresh.write_text(str(sum(group.get("count", 1) for group in groups)))
    fresh.replace(folder / f"{model}{SLOTS_SUFFIX}")


def read_slots(folder: Path) -> dict[str, int]:
    """How many calls each entry model takes at once that says so."""
    return {
        path.name.removesuffix(SLOTS_SUFFIX): int(path.read_text())
        for path in folder.glob(f"*{SLOTS_SUFFIX}")
    }


def read_progress(path: Path) -> dict[str, Any] | None:
    """What is told of the attempt of that file; None where it does not run."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    entry, model = (
        _read(data[place * LINE_BYTES : (place + 1) * LINE_BYTES]) for place in (_ENTRY, _MODEL)
    )
    if "stage" not in entry:
        return None
    if "shown" in entry:
        entry["shown"] = [place for place in range(MAX_PICTURES) if entry["shown"] >> place & 1]
    if entry["stage"] != "model":
        return entry
    if not model and (path.parent / f"{entry.get('model')}{TELLS_SUFFIX}").exists():
        return entry | {"stage": "waiting"}
    first = model.pop("first", 0)
    model.pop("shown", None)
    merged = {**entry, **model}
    for name in ("variation", "drawn"):
        merged[name] = entry.get(name, 0) + first
    return merged


def _read(line: bytes) -> dict[str, Any]:
    """Nothing where it was being written."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
