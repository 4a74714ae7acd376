"""Settings of a model process, and which model is behind a mode."""

import pytest
from imagerift_vision.errors import VisionError
from imagerift_vision.generate import model_of
from imagerift_vision.settings import MODE_MODELS, Settings


def test_the_shipped_modes_are_there_without_any_setting() -> None:
    assert Settings.from_environment({}).mode_models == MODE_MODELS
    assert set(MODE_MODELS) == {"style", "avatar", "enhance", "cutout", "scene"}


def test_a_team_s_modes_come_on_top_and_null_takes_one_away() -> None:
    named = {"IMAGERIFT_MODE_MODELS": '{"duotone": "own", "style/neon": "own", "avatar": null}'}
    modes = Settings.from_environment(named).mode_models
    assert modes == {
        "style": "style", "enhance": "enhance", "cutout": "cutout", "scene": "scene",
        "duotone": "own", "style/neon": "own",
    }  # fmt: skip
    assert model_of(modes, "duotone", None) == "own"
    assert model_of(modes, "style", "neon") == "own"
    assert model_of(modes, "style", "noir") == "style"
    assert model_of(modes, "style", None) == "style"
    with pytest.raises(VisionError, match="does not have the mode"):
        model_of(modes, "avatar", "anime")


@pytest.mark.parametrize("wrong", ["[]", '{"style": 1}', '"style"'])
def test_anything_else_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValueError, match="IMAGERIFT_MODE_MODELS"):
        Settings.from_environment({"IMAGERIFT_MODE_MODELS": wrong})
