"""How a seed composes the picture: the subject's size and third, the horizon, the room around."""

from dataclasses import replace

import numpy as np

from imagerift_vision.presets import Composition, Preset

COMPOSITION_SEED = 11
# How far a seed departs from its composition: in shares of the size, and in widths.
CLOSER, ASIDE = 0.03, 0.015
# Where words ask for room beside or above, a seed moves the subject so much of its way.
IN_ITS_ROOM = 0.15


# Consecutive seeds go through them in turn, so that variations differ for certain: in the middle,
# on the right third, close, on the left third, with room above.
COMPOSITIONS = (
    Composition(closer=1.0, aside=0.0, lower=0.0, horizon=0.5),
    Composition(closer=0.80, aside=1 / 6, lower=0.01, horizon=0.1),
    Composition(closer=1.15, aside=-0.03, lower=0.02, horizon=1.0),
    Composition(closer=0.70, aside=-1 / 6, lower=0.07, horizon=0.75),
    Composition(closer=0.86, aside=0.05, lower=0.09, horizon=0.2),
)


def composed(preset: Preset, seed: int) -> Preset:
    """The preset with the subject where this seed wants it; room that words ask for stays."""
    one = COMPOSITIONS[seed % len(COMPOSITIONS)]
    rng = np.random.default_rng([seed, COMPOSITION_SEED])
    closer = one.closer * (1 + float(rng.uniform(-CLOSER, CLOSER)))
    aside = one.aside + float(rng.uniform(-ASIDE, ASIDE))
    lower = one.lower
    if preset.space is not None:
        closer, aside, lower = min(1.0, closer), IN_ITS_ROOM * aside, IN_ITS_ROOM * lower
    return replace(preset, composition=Composition(closer, aside, lower, one.horizon))


def closest(preset: Preset) -> Preset:
    """The preset with the subject as large as any seed shows it."""
    closer = max(one.closer for one in COMPOSITIONS) * (1 + CLOSER)
    if preset.space is not None:
        closer = min(1.0, closer)
    return replace(preset, composition=Composition(closer, aside=0.0, lower=0.0, horizon=0.5))
