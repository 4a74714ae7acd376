"""What the errors of stores mean to a loop: away, which is nobody's fault, or a refusal of one."""

from __future__ import annotations

from imagerift_core.errors import CapacityUnavailable, ObjectsRefused
from imagerift_core.isolation import Isolations
from imagerift_core.kube_calls import MAX_WORDS, KubeRefused, KubeUnavailable, words_of

AWAY = (CapacityUnavailable, KubeUnavailable)


def make_isolations() -> Isolations:
    """The isolations of an operator's loops."""
    return Isolations(away=AWAY, refused=(ObjectsRefused,), describe=words_of_any)


def words_of_any(error: Exception) -> str:
    """Why something failed, in one line, in the store's own words where it refused it."""
    if isinstance(error, KubeRefused):
        return words_of(error)
    if isinstance(error, ObjectsRefused):
        return error.words
    return " ".join(str(error).split())[:MAX_WORDS]
