"""What careless files show is what people see in them: colours, transparency, uprightness."""

import numpy as np
import pytest
from careless_sources import CarelessSource, careless_sources
from imagerift_vision.decoding import decode
from imagerift_vision.errors import VisionError

SOURCES = careless_sources()


def named(source: CarelessSource) -> str:
    return source.name


@pytest.mark.parametrize("source", [s for s in SOURCES if s.accepted], ids=named)
def test_it_shows_what_people_see_in_it(source: CarelessSource) -> None:
    assert source.colours is not None
    shown = decode(source.data, 8192).rgba
    assert shown.shape[:2] == source.colours.shape[:2]
    clear = np.zeros(shown.shape[:2], bool) if source.clear is None else source.clear
    assert (shown[..., 3] == np.where(clear, 0, 255)).all()
    difference = np.abs(shown[..., :3].astype(int) - source.colours)[~clear]
    assert difference.mean() <= source.off


@pytest.mark.parametrize("source", [s for s in SOURCES if not s.accepted], ids=named)
def test_what_lacks_pixels_is_refused(source: CarelessSource) -> None:
    with pytest.raises(VisionError) as refused:
        decode(source.data, 8192)
    assert refused.value.code == "image_unreadable"
