"""What files of values have to mean, by their names, and the words in which that is said."""

from __future__ import annotations

from collections.abc import Callable

from tests.charts.network import Place
from tests.charts.rendering import Manifest, Objects

INTERNET = Place(address="198.51.100.10")

Meaning = Callable[[Objects], None]
MEANINGS: dict[str, Meaning] = {}


def means(name: str) -> Callable[[Meaning], Meaning]:
    """Registers what the file `name` has to mean."""

    def register(meaning: Meaning) -> Meaning:
        MEANINGS[name] = meaning
        return meaning

    return register


def policies(objects: Objects) -> list[Manifest]:
    return objects.of("NetworkPolicy")


def outside(namespace: str) -> Place:
    """Some pod of a namespace that is not the release's."""
    return Place({"app": "any"}, namespace)
