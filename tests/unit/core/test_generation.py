"""What a job may ask for: each refusal says which parameter is at fault."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_contract.values import MAX_SEED
from imagerift_core.errors import DomainError, ExportNotPermitted, InvalidRequest
from imagerift_core.generation import (
    GenerationSpec,
    check_permitted,
    random_seed,
    schema_version_of,
)
from imagerift_core.modes import Mode
from imagerift_core.plans import load_plans
from pydantic import ValidationError

PLANS = load_plans()
MODES = {
    "style": Mode(
        model="generate",
        promptRequired=True,
        presetRequired=False,
        presets=["noir"],
        exportSizes=["base", "2k"],
        maxVariations=4,
        attemptSeconds=60,
        maxOutputs=4,
    ),
    "avatar": Mode(
        model="generate",
        promptRequired=False,
        presetRequired=True,
        presets=["anime", "oilpaint"],
        exportSizes=["base"],
        maxVariations=8,
        attemptSeconds=60,
    ),
}


MODES["cutout"] = Mode(
    model="generate",
    promptRequired=False,
    presetRequired=False,
    presets=["transparent", "marketplace", "ours"],
    exportSizes=["base", "2k", "4k"],
    maxVariations=1,
    attemptSeconds=60,
    takesCutout=True,
    maxOutputs=8,
)
MODES["scene"] = Mode(
    model="generate",
    promptRequired=False,
    presetRequired=False,
    presets=["noir"],
    exportSizes=["base"],
    maxVariations=2,
    attemptSeconds=60,
    keepsSubject=True,
    takesNegativePrompt=True,
)
SHAPES = [
    {"aspect": "1:1", "size": "2k", "format": "jpeg"},
    {"aspect": "9:16"},
    {"size": "2k", "format": "webp"},
]


def make_spec(**fields: Any) -> GenerationSpec:
    return GenerationSpec.model_validate({"mode": "style", "prompt": "rain"} | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"preset": "noir"},
        {"variations": 4, "export_size": "2k"},
        {"mode": "avatar", "prompt": "", "preset": "anime", "variations": 8},
        {"mode": "cutout"},
        {"mode": "cutout", "on_unclear_subject": "cut", "cutout": {"fill": 0.5, "padding": 0.45}},
        {"mode": "cutout", "cutout": {"width": 1024, "height": 16}},
        {"mode": "cutout", "export_size": "4k", "cutout": {"width": 1025, "height": 4096}},
        {"mode": "cutout", "preset": "marketplace", "output_format": "jpeg"},
        {"mode": "cutout", "preset": "ours", "output_format": "jpeg"},
        {"mode": "cutout", "output_format": "jpeg", "cutout": {"background": "#0A0b0c"}},
        {"outputs": SHAPES, "variations": 4},
        {"outputs": [{"aspect": aspect} for aspect in ("1:1", "3:4", "4:3", "2:3")]},
        {"mode": "cutout", "preset": "marketplace", "outputs": SHAPES},
        {"mode": "scene", "prompt": ""},
        {"mode": "scene", "negative_prompt": "text", "keep_subject": False},
        {"mode": "scene", "on_unclear_subject": "cut"},
    ],
)
def test_what_is_permitted_passes(fields: dict[str, Any]) -> None:
    spec = make_spec(**fields)
    assert check_permitted(spec, MODES, PLANS["business"]) is MODES[spec.mode]


@pytest.mark.parametrize(
    ("fields", "plan", "error", "param"),
    [
        ({"mode": "dream"}, "pro", InvalidRequest, "mode"),
        ({"prompt": ""}, "pro", InvalidRequest, "prompt"),
        ({"prompt": " \n\t "}, "pro", InvalidRequest, "prompt"),
        ({"mode": "avatar"}, "pro", InvalidRequest, "preset"),
        ({"mode": "avatar", "preset": "noir"}, "pro", InvalidRequest, "preset"),
        ({"preset": "anime"}, "pro", InvalidRequest, "preset"),
        ({"variations": 5}, "pro", InvalidRequest, "variations"),
        ({"negative_prompt": "text"}, "pro", InvalidRequest, "negativePrompt"),
        ({"keep_subject": False}, "pro", InvalidRequest, "keepSubject"),
        ({"mode": "cutout", "keep_subject": False}, "pro", InvalidRequest, "keepSubject"),
        ({"on_unclear_subject": "cut"}, "pro", InvalidRequest, "onUnclearSubject"),
        ({"export_size": "2k"}, "free", ExportNotPermitted, "exportSize"),
        ({"export_size": "4k"}, "pro", ExportNotPermitted, "exportSize"),
        ({"export_size": "4k"}, "business", InvalidRequest, "exportSize"),
        ({"outputs": [{}, {"size": "2k"}]}, "free", ExportNotPermitted, "outputs.1.size"),
        ({"outputs": [{}, {"size": "4k"}]}, "business", InvalidRequest, "outputs.1.size"),
        ({"outputs": SHAPES, "export_size": "2k"}, "pro", InvalidRequest, "exportSize"),
        ({"outputs": SHAPES, "output_aspect": "1:1"}, "pro", InvalidRequest, "outputAspect"),
        ({"outputs": SHAPES, "output_format": "webp"}, "pro", InvalidRequest, "outputFormat"),
        ({"outputs": [{}], "mode": "avatar", "preset": "anime"}, "pro", InvalidRequest, "outputs"),
        (
            {"outputs": [{"aspect": a} for a in ("1:1", "3:4", "4:3", "2:3", "3:2")]},
            "pro",
            InvalidRequest,
            "outputs",
        ),
        # Its plan's queue never has room for twelve.
        (
            {"outputs": [{}, {"aspect": "1:1"}, {"format": "webp"}], "variations": 4},
            "free",
            InvalidRequest,
            "outputs",
        ),
        ({"mode": "cutout", "outputs": SHAPES}, "pro", InvalidRequest, "outputs.0.format"),
        (
            {"mode": "cutout", "outputs": [{}], "cutout": {"width": 800, "height": 600}},
            "pro",
            InvalidRequest,
            "cutout.width",
        ),
    ],
)
def test_what_is_not_permitted_is_refused_by_name(
    fields: dict[str, Any], plan: str, error: type[DomainError], param: str
) -> None:
    with pytest.raises(error) as refusal:
        check_permitted(make_spec(**fields), MODES, PLANS[plan])
    assert refusal.value.param == param
    assert not refusal.value.retryable


def test_a_refusal_never_repeats_the_prompt() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_permitted(make_spec(prompt="my secret", variations=8), MODES, PLANS["pro"])
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x" * 2001},
        {"variations": 0},
        {"variations": 9},
        {"seed": -1},
        {"seed": 2**32},
        {"exportSize": "8k"},
        {"outputAspect": "5:4"},
        {"outputFormat": "gif"},
        {"mode": "Style"},
        {"preset": "no spaces"},
        {"colour": "red"},
        {"outputs": []},
        {
            "outputs": [
                {"aspect": a, "size": s}
                for a in ("1:1", "3:4", "4:3")
                for s in ("base", "2k", "4k")
            ]
        },
        {"outputs": [{"aspect": "1:1"}, {"size": "2k"}, {"aspect": "1:1", "format": "png"}]},
        {"outputs": [{"aspect": "5:4"}]},
        {"outputs": [{"width": 800}]},
    ],
)
def test_what_is_out_of_bounds_is_no_wish(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_spec(**fields)


def test_bounds_themselves_are_within() -> None:
    spec = make_spec(prompt="😀" * 2000, variations=8, seed=MAX_SEED)
    assert spec.seed_of(0) == MAX_SEED
    assert spec.seed_of(1) == 0


def test_a_random_seed_is_a_seed() -> None:
    seeds = {random_seed() for _ in range(100)}
    assert len(seeds) > 90
    assert all(make_spec(seed=seed) for seed in seeds)


@pytest.mark.parametrize(
    ("fields", "param", "told"),
    [
        ({"mode": "style", "cutout": {}}, "cutout", "mode 'style'"),
        ({"mode": "style", "on_unclear_subject": "cut"}, "onUnclearSubject", "grade or fail"),
        ({"cutout": {"width": 800}}, "cutout.height", "come together"),
        ({"cutout": {"height": 800}}, "cutout.width", "come together"),
        ({"cutout": {"width": 1025, "height": 800}}, "cutout.width", "at most 1024"),
        ({"cutout": {"width": 800, "height": 1025}}, "cutout.height", "exportSize 'base'"),
        (
            {"output_aspect": "1:1", "cutout": {"width": 800, "height": 800}},
            "outputAspect",
            "must be left out",
        ),
        ({"output_format": "jpeg"}, "outputFormat", "cannot be transparent"),
        (
            {
                "preset": "marketplace",
                "output_format": "jpeg",
                "cutout": {"background": "transparent"},
            },
            "outputFormat",
            "cannot be transparent",
        ),
    ],
)
def test_options_of_a_cutout_that_cannot_be_kept_are_named(
    fields: dict[str, Any], param: str, told: str
) -> None:
    with pytest.raises(InvalidRequest, match=told) as refusal:
        check_permitted(make_spec(**({"mode": "cutout"} | fields)), MODES, PLANS["business"])
    assert refusal.value.param == param


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("background", "white"),
        ("background", "#fff"),
        ("padding", -0.1),
        ("padding", 0.5),
        ("fill", 0.05),
        ("fill", 1.1),
        ("fill", "0.5"),
        ("align", "middle"),
        ("shadow", "long"),
        ("width", 15),
        ("width", 4097),
        ("height", 20.5),
        ("blur", 1),
    ],
)
def test_an_option_of_a_cutout_keeps_to_its_bounds(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=rf"cutout\.{field}"):
        make_spec(mode="cutout", cutout={field: value})


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ({}, 1),
        ({"output_format": "avif"}, 2),
        ({"mode": "cutout"}, 1),
        ({"mode": "cutout", "cutout": {}}, 2),
        ({"mode": "cutout", "on_unclear_subject": "cut"}, 2),
        ({"outputs": [{}]}, 3),
        ({"mode": "scene"}, 1),
        ({"mode": "scene", "negative_prompt": "text"}, 4),
        ({"mode": "scene", "keep_subject": False, "outputs": [{}]}, 4),
    ],
)
def test_what_older_versions_would_make_otherwise_is_kept_from_them(
    fields: dict[str, Any], version: int
) -> None:
    assert make_spec(**fields).schema_version == version
    assert schema_version_of(make_spec(**fields), references=False) == version
    assert schema_version_of(make_spec(**fields), references=True) == 4


def test_each_variation_has_each_shape_and_one_seed() -> None:
    spec = make_spec(outputs=SHAPES, variations=2, seed=MAX_SEED)
    assert spec.pictures == 6
    assert [spec.variation_of(index) for index in range(6)] == [0, 0, 0, 1, 1, 1]
    assert [spec.seed_of(index) for index in range(6)] == [MAX_SEED] * 3 + [0] * 3
    assert [spec.shape_of(index).format for index in range(6)] == ["jpeg", "png", "webp"] * 2
    assert spec.largest_size == "2k"


def test_without_outputs_a_variation_is_a_picture_of_the_one_shape() -> None:
    spec = make_spec(variations=3, output_aspect="4:5", export_size="4k", output_format="avif")
    assert (spec.pictures, spec.largest_size) == (3, "4k")
    for index in range(3):
        assert (spec.variation_of(index), spec.seed_of(index)) == (index, index)
        assert dict(spec.shape_of(index)) == {"aspect": "4:5", "size": "4k", "format": "avif"}
