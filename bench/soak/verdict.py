"""Whether what was sampled over hours is flat: the slope of the last two thirds and its bound."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Caches fill and connections open while it begins.
_WARM_UP_SHARE = 1 / 3


@dataclass(frozen=True)
class Sample:
    """What was there at a time: seconds since the start, jobs ended since then, and figures."""

    seconds: float
    jobs: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Bound:
    """How much a figure may rise over the time that is looked at: by this share of its mean, by
    `slack` where that is more, and by `per_job` for each job that ended meanwhile."""

    share: float = 0.0
    slack: float = 0.0
    per_job: float = 0.0


@dataclass(frozen=True)
class Trend:
    """One figure: its first and last values, and how much it rose over the last two thirds."""

    name: str
    first: float
    last: float
    rise: float
    allowed: float
    jobs: int

    @property
    def flat(self) -> bool:
        return self.rise <= self.allowed

    @property
    def per_job(self) -> float:
        return self.rise / self.jobs if self.jobs else 0.0


def trend(name: str, samples: Sequence[Sample], bound: Bound) -> Trend:
    """The line through the samples of the last two thirds, against its bound.

    A figure that a sample lacks was not there. Raises `ValueError` for fewer than three samples
    in that time, which no line can be laid through.
    """
    began, ended = samples[0].seconds, samples[-1].seconds
    start = began + (ended - began) * _WARM_UP_SHARE
    looked_at = [sample for sample in samples if sample.seconds >= start]
    if len(looked_at) < 3:
        raise ValueError("too few samples to tell a slope")
    times = [sample.seconds for sample in looked_at]
    values = [sample.figures.get(name, 0.0) for sample in looked_at]
    line = statistics.linear_regression(times, values)
    jobs = looked_at[-1].jobs - looked_at[0].jobs
    still = max(bound.share * statistics.fmean(values), bound.slack)
    return Trend(
        name,
        first=samples[0].figures.get(name, 0.0),
        last=samples[-1].figures.get(name, 0.0),
        rise=line.slope * (times[-1] - times[0]),
        allowed=still + bound.per_job * jobs,
        jobs=jobs,
    )


def table(trends: Sequence[Trend]) -> str:
    """The trends as Markdown."""
    lines = [
        "| what | first | last | rise in the last two thirds | a job | allowed | flat |",
        "|---|---|---|---|---|---|---|",
    ]
    for found in trends:
        numbers = (found.first, found.last, found.rise, found.per_job, found.allowed)
        first, last, rise, per_job, allowed = (f"{number:.4g}" for number in numbers)
        flat = "yes" if found.flat else "NO"
        lines.append(
            f"| {found.name} | {first} | {last} | {rise} | {per_job} | {allowed} | {flat} |"
        )
    return "\n".join(lines)
