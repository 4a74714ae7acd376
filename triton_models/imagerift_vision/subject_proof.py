"""The proof that a picture shows the product's own pixels, as a model tells it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagerift_contract.values import MAX_KEPT_DIFFERENCE

# Digits behind the point that are told.
TOLD_DIGITS = 3


@dataclass(frozen=True)
class SubjectProof:
    """How a subject in a picture compares with its source at the same place and scale."""

    difference: float
    """The largest of any channel of any pixel inside the matte's edge, in steps of 1/255."""
    share: float
    """How much of the subject was compared, 0 to 1: the rest is its edge."""

    @property
    def holds(self) -> bool:
        """Whether the subject was kept; where nothing was compared, nothing is proven."""
        return self.share > 0 and self.difference < MAX_KEPT_DIFFERENCE

    def as_dict(self) -> dict[str, float]:
        """One of INFO's `proofs`."""
        return {
            "difference": round(self.difference, TOLD_DIGITS),
            "share": round(self.share, TOLD_DIGITS),
        }


def read_proof(document: Any) -> SubjectProof | None:
    """One of INFO's `proofs`; None where there is none of this picture.

    Raises ValueError where it breaks the contract: what claims a proof has to give one.
    """
    if document is None:
        return None
    if not isinstance(document, Mapping):
        raise ValueError("a proof is no object")  # noqa: TRY004 - as for every broken document
    difference, share = (float(document[name]) for name in ("difference", "share"))
    if not (math.isfinite(difference) and difference >= 0 and 0 <= share <= 1):
        raise ValueError("a proof is out of range")
    return SubjectProof(difference, share)
