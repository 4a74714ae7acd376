"""What a job may ask for: each refusal says which parameter is at fault."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_contract.values import MAX_SEED
from imagerift_core.errors import DomainError, ExportNotPermitted, InvalidRequest
from imagerift_core.generation import GenerationSpec, check_permitted, random_seed
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


def make_spec(**fields: Any) -> GenerationSpec:
    return GenerationSpec.model_validate({"mode": "style", "prompt": "rain"} | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"preset": "noir"},
        {"variations": 4, "export_size": "2k"},
        {"mode": "avatar", "prompt": "", "preset": "anime", "variations": 8},
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
        ({"export_size": "2k"}, "free", ExportNotPermitted, "exportSize"),
        ({"export_size": "4k"}, "pro", ExportNotPermitted, "exportSize"),
        ({"export_size": "4k"}, "business", InvalidRequest, "exportSize"),
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
