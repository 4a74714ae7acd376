"""Mattes of the bench's pictures, by the code that serves jobs, beside the reference mattes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from imagerift_vision.matting import Matte, Matting
from numpy.typing import NDArray

from bench.vision.compose import Composite
from bench.vision.metrics import (
    LEAST_EXTENT,
    LEAST_IOU,
    doubt,
    extent_overlap,
    gradient_error,
    soft_iou,
    sum_of_differences,
)
from bench.vision.plan import Picture
from bench.vision.tables import Table, mean, percent

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# Bounds of the table that shows what a doubt means.
DOUBTS = (0.0, 0.08, 0.12, 0.16, 0.2, 0.24, 0.3, 1.01)
# The one that was read off thirty photographs by eye.
BY_EYE = 0.24


class ObservedMatting(Matting):
    """The matting that serves jobs; keeps the network's last raw map."""

    raw: Float

    def saliency(self, rgb: Pixels) -> Float:
        """As ever."""
        self.raw = super().saliency(rgb)
        return self.raw


@dataclass(frozen=True)
class Result:
    """What became of one picture."""

    name: str
    kind: str
    apart: bool
    subject: bool | None
    """Whether there is one; None where nobody knows."""
    iou: float | None
    """Soft IoU, overlap of the extents, SAD and gradient error where there is a subject."""
    extent: float | None
    sad: float | None
    gradient: float | None
    warned: bool
    """Whether the code says that there is no subject to cut out."""
    doubt: float
    """See `metrics.doubt`."""
    seconds: float
    """Of one core."""
    megabytes: float
    """The process's peak during the matte."""

    @property
    def destroyed(self) -> bool:
        """Whether the cut-out is of no use, be it used or not."""
        if self.iou is None or self.extent is None:
            return False
        return self.iou < LEAST_IOU or self.extent < LEAST_EXTENT

    @property
    def bad(self) -> bool:
        """Whether a warning is right: nothing there, or destroyed."""
        return self.subject is False or self.destroyed


def measure(
    matting: ObservedMatting, picture: Picture, composite: Composite
) -> tuple[Result, Matte]:
    """One picture's result and matte."""
    _forget_peak()
    started = time.process_time()
    matte = matting.matte(composite.rgb)
    seconds = time.process_time() - started
    megabytes = _peak()
    reference = composite.reference
    known = reference is not None
    subject = bool(reference.any()) if known else None
    result = Result(
        name=picture.name,
        kind=picture.kind,
        apart=picture.apart,
        subject=subject,
        iou=soft_iou(matte.alpha, reference) if subject else None,
        extent=extent_overlap(matte.alpha, reference) if subject else None,
        sad=sum_of_differences(matte.alpha, reference) if subject else None,
        gradient=gradient_error(matte.alpha, reference) if subject else None,
        warned=not matte.separable,
        doubt=doubt(matting.raw),
        seconds=seconds,
        megabytes=megabytes,
    )
    return result, matte


def by_kind(results: Sequence[Result], title: str) -> Table:
    """A row for each kind and one for all; means over the pictures that are cut out."""
    table = Table(
        title,
        ("kind", "pictures", "cut out", "IoU", "IoU of all", "extent", "SAD", "gradient",
         "destroyed", "warned", "right", "bad warned of", "s", "MB"),
    )  # fmt: skip
    kinds = list(dict.fromkeys(result.kind for result in results))
    for kind in kinds:
        table.add(kind, *_row([result for result in results if result.kind == kind]))
    if len(kinds) > 1:
        table.add("all", *_row(results))
    return table


def _row(results: Sequence[Result]) -> list[str]:
    cut = [result for result in results if not result.warned]
    warned = [result for result in results if result.warned and result.subject is not None]
    bad = [result for result in results if result.bad]
    destroyed = [result for result in cut if result.destroyed]
    there = [result for result in results if result.subject]
    return [
        str(len(results)),
        str(len(cut)),
        mean([result.iou for result in cut], 3),
        mean([result.iou for result in results], 3),
        mean([result.extent for result in cut], 2),
        mean([result.sad for result in cut], 1),
        mean([result.gradient for result in cut], 2),
        percent(len(destroyed), len(there)),
        str(len(warned)),
        percent(sum(result.bad for result in warned), len(warned)),
        percent(sum(result.warned for result in bad), len(bad)),
        mean([result.seconds for result in results], 2),
        f"{max(result.megabytes for result in results):.0f}",
    ]


def by_doubt(results: Sequence[Result]) -> Table:
    """What became of the pictures of a known subject, by the network's doubt."""
    table = Table(
        "What a doubt means", ("doubt", "pictures", "no subject", "IoU", "destroyed", "bad")
    )
    for low, high in pairwise(DOUBTS):
        there = [r for r in results if low <= r.doubt < high and r.subject is not None]
        subjects = [result for result in there if result.subject]
        table.add(
            f"{low:.2f} to {high:.2f}",
            str(len(there)),
            str(len(there) - len(subjects)),
            mean([result.iou for result in subjects], 3),
            percent(sum(result.destroyed for result in subjects), len(subjects)),
            percent(sum(result.bad for result in there), len(there)),
        )
    return table


def by_warning(results: Sequence[Result]) -> Table:
    """How well today's warning, and ones from a doubt on, tell the bad ones."""
    known = [result for result in results if result.subject is not None]
    tuning = [result for result in known if not result.apart]
    best = best_doubt(tuning)
    table = Table("Warnings", ("warning", "part", "pictures", "warned", "right", "bad warned of"))
    ways = (("today's", 2.0), (f"or doubt ≥ {BY_EYE}", BY_EYE), (f"or doubt ≥ {best:.3f}", best))
    for name, bound in ways:
        for part, members in (
            ("tuning", tuning), ("apart", [result for result in known if result.apart])
        ):  # fmt: skip
            warned = [result for result in members if result.warned or result.doubt >= bound]
            bad = [result for result in members if result.bad]
            right = sum(result.bad for result in warned)
            table.add(
                name, part, str(len(members)), str(len(warned)),
                percent(right, len(warned)), percent(right, len(bad)),
            )  # fmt: skip
    return table


def best_doubt(results: Sequence[Result]) -> float:
    """The bound that parts bad pictures from good ones best: most found less wrongly warned of."""
    bad = sum(result.bad for result in results)
    good = len(results) - bad
    if not bad or not good:
        return 1.0
    values = sorted({result.doubt for result in results})
    bounds = [(low + high) / 2 for low, high in pairwise(values)]

    def gain(bound: float) -> float:
        over = [result for result in results if result.doubt >= bound]
        found = sum(result.bad for result in over)
        return found / bad - (len(over) - found) / good

    return max(bounds, key=gain, default=1.0)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel tells no peak")
