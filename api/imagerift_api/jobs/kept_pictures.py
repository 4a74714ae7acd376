"""A job's own copies of the pictures that it was given."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagerift_core.jobs import SourceImage


@dataclass(frozen=True)
class KeptPictures:
    """Members of a record."""

    source: SourceImage
    mask: SourceImage | None = None
    references: list[SourceImage] = field(default_factory=list)
