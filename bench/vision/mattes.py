"""Mattes of the bench's pictures, by the code that serves jobs, beside the reference mattes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from imagerift_contract.values import SubjectReason
from imagerift_vision.doubt import Signs
from imagerift_vision.matting import Matte, Matting
from numpy.typing import NDArray

from bench.vision.compose import Composite
from bench.vision.metrics import (
    LEAST_EXTENT,
    LEAST_IOU,
    extent_overlap,
    gradient_error,
    soft_iou,
    sum_of_differences,
)
from bench.vision.plan import Picture
from bench.vision.tables import Table, mean, percent

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# Bounds of the table that shows what a confidence means.
CONFIDENCES = (0.0, 0.25, 0.5, 0.7, 0.8, 1.01)


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
    reason: SubjectReason
    """Why the code cuts it out, or not."""
    confidence: float
    """Of the code in its cut-out."""
    signs: Signs | None
    """What that comes from."""
    seconds: float
    """Of one core."""
    megabytes: float
    """The process's peak during the matte."""

    @property
    def warned(self) -> bool:
        """Whether the code leaves it whole."""
        return self.reason != "sure"

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


def worst(results: Sequence[Result], count: int) -> list[int]:
    """Places of the worst cut-outs: of nothing first, then by the overlap with the reference."""
    cut_out = [
        place
        for place, result in enumerate(results)
        if not result.warned and result.subject is not None
    ]
    cut_out.sort(key=lambda place: (not results[place].bad, results[place].iou or 0))
    return cut_out[:count]


def measure(matting: Matting, picture: Picture, composite: Composite) -> tuple[Result, Matte]:
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
        reason=matte.reason,
        confidence=matte.confidence or 0.0,
        signs=matte.signs,
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


def by_confidence(results: Sequence[Result]) -> Table:
    """What became of the pictures of a known subject, by how sure the code is of its cut-out."""
    table = Table(
        "What a confidence means",
        ("confidence", "pictures", "no subject", "IoU", "destroyed", "bad"),
    )
    for low, high in pairwise(CONFIDENCES):
        there = [r for r in results if low <= r.confidence < high and r.subject is not None]
        subjects = [result for result in there if result.subject]
        table.add(
            f"{low:.2f} to {min(1.0, high):.2f}",
            str(len(there)),
            str(len(there) - len(subjects)),
            mean([result.iou for result in subjects], 3),
            percent(sum(result.destroyed for result in subjects), len(subjects)),
            percent(sum(result.bad for result in there), len(there)),
        )
    return table


def by_warning(results: Sequence[Result]) -> Table:
    """How well the two reasons to leave a picture whole tell the bad ones."""
    known = [result for result in results if result.subject is not None]
    table = Table("Warnings", ("warning", "part", "pictures", "warned", "right", "bad warned of"))
    for name, reasons in (("none", ("none",)), ("none or doubt", ("none", "doubt"))):
        for part, apart in (("tuning", False), ("apart", True)):
            members = [result for result in known if result.apart is apart]
            warned = [result for result in members if result.reason in reasons]
            bad = [result for result in members if result.bad]
            right = sum(result.bad for result in warned)
            table.add(
                name, part, str(len(members)), str(len(warned)),
                percent(right, len(warned)), percent(right, len(bad)),
            )  # fmt: skip
    return table


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel tells no peak")
