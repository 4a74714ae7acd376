"""What the status of weights says: pure functions of what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imagerift_core.kube_weights import DownloadSeen
from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.weights_download.report import Downloaded, Progress
from pydantic import ValidationError

from imagerift_operator.pool_status import Condition, condition
from imagerift_operator.weights import READY

# Failures that say that the bytes are there, and wrong.
_UNVERIFIED = frozenset({"ChecksumMismatch", "NoChecksum", "WrongFormat"})
_SCALE = 1000.0


@dataclass(frozen=True)
class Found:
    """How weights stand: Ready where `report` is there, else for which reason they are not.

    `waits` says that nothing is wrong.
    """

    reason: str
    words: str
    report: Downloaded | None = None
    waits: bool = False
    progress: str | None = None


def found_in(seen: DownloadSeen) -> Found:
    """How weights stand by their Job."""
    report = report_of(seen)
    if seen.succeeded and report is not None and report.error is None:
        words = f"{report.files} file(s), {size(report.bytes or 0)}, have their checksums."
        return Found("Downloaded", words, report=report)
    if seen.succeeded or seen.failed_at is not None:
        if report is not None and report.error is not None:
            words = report.message or report.error
            again = " It is tried again after a while." if report.again else ""
            return Found(report.error, f"{words}{again}")
        return Found("Lost", "The download's pod was lost; it is begun again.", waits=True)
    if seen.trouble is not None:
        return Found(seen.trouble.reason, seen.trouble.words)
    if seen.address is None and seen.report is None:
        return Found("Pending", "The download's pod is on its way.", waits=True)
    return Found("Downloading", "The download runs.", waits=True)


def report_of(seen: DownloadSeen) -> Downloaded | None:
    """What the download has said at its end, None where it said nothing that can be read."""
    if not seen.report:
        return None
    try:
        return Downloaded.model_validate_json(seen.report)
    except ValidationError:
        return None


def conditions(found: Found) -> list[Condition]:
    """Downloaded, Verified and Ready."""
    if found.report is not None:
        return [
            condition("Downloaded", "True", found.reason, found.words),
            condition("Verified", "True", found.reason, found.words),
            condition(READY, "True", READY, found.words),
        ]
    unverified = found.reason in _UNVERIFIED
    words = found.words if unverified else "Nothing was verified yet."
    verified = condition("Verified", "False" if unverified else "Unknown", found.reason, words)
    return [
        condition("Downloaded", "False", found.reason, found.words),
        verified,
        condition(READY, "False", found.reason, found.words),
    ]


def status(
    spec: ModelWeightsSpec | None, generation: int, found: Found, pools: list[str]
) -> dict[str, Any]:
    """The whole status, but for its conditions."""
    made: dict[str, Any] = {"observedGeneration": generation, "pools": pools}
    if found.progress is not None:
        made["progress"] = found.progress
    if found.report is None or spec is None:
        return made
    report = found.report
    told = {
        "progress": "100%",
        "size": size(report.bytes) if report.bytes is not None else None,
        "bytes": report.bytes,
        "files": report.files,
        "digest": report.digest,
        "licence": report.licence or spec.accept_licence,
        "revision": report.revision,
        "fingerprint": spec.fingerprint,
    }
    return made | {name: value for name, value in told.items() if value is not None}


def share(progress: Progress) -> str:
    """How much is there, for people: a percentage, or bytes where the whole is not known."""
    if not progress.total:
        return size(progress.done)
    return f"{min(99, progress.done * 100 // progress.total)}%"


def size(count: int) -> str:
    """Bytes for people, such as 6.9 GB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < _SCALE:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _SCALE
    return f"{amount:.1f} TB"
