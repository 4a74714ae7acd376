"""Plans and modes are data; a wrong file is refused with the name of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imagerift_contract.cutouts import CUTOUT_PRESETS
from imagerift_core.modes import load_modes
from imagerift_core.plans import load_plans
from pydantic import ValidationError


def test_the_shipped_plans_say_what_the_contract_says() -> None:
    plans = load_plans()
    assert set(plans) == {"free", "starter", "pro", "business"}
    assert {name: plan.api_access for name, plan in plans.items()} == {
        "free": False,
        "starter": False,
        "pro": True,
        "business": True,
    }
    assert (plans["pro"].requests_per_minute, plans["business"].requests_per_minute) == (30, 120)
    assert (plans["pro"].max_export, plans["business"].max_export) == ("2k", "4k")
    assert plans["business"].band > plans["pro"].band > plans["free"].band
    assert plans["business"].quota_scope == "team"
    assert plans["pro"].quota_scope == "account"


@pytest.mark.parametrize(
    ("plan", "permitted"), [("free", 1), ("starter", 1), ("pro", 2), ("business", 3)]
)
def test_a_plan_permits_sizes_up_to_its_own(plan: str, permitted: int) -> None:
    sizes = [size for size in ("base", "2k", "4k") if load_plans()[plan].permits_export(size)]
    assert sizes == ["base", "2k", "4k"][:permitted]


def test_the_shipped_modes_can_be_read() -> None:
    modes = load_modes()
    assert modes["style"].prompt_required
    assert modes["style"].max_variations == 8
    # Its picture depends on the source alone, so a second one would be the same.
    assert modes["enhance"].max_variations == 1
    assert not modes["enhance"].prompt_required
    assert [name for name, mode in modes.items() if mode.takes_cutout] == ["cutout"]
    assert {mode.max_outputs for mode in modes.values()} == {8}
    assert [modes[name].max_pictures for name in ("style", "enhance")] == [24, 8]
    assert modes["cutout"].presets == list(CUTOUT_PRESETS)
    assert [name for name, mode in modes.items() if mode.keeps_subject] == ["scene"]
    painted = {"watercolor", "oil", "sketch"}
    assert modes["scene"].presets == [p for p in modes["style"].presets if p not in painted]
    assert modes["avatar"].preset_required
    assert modes["avatar"].presets == ["anime", "cartoon3d", "oilpaint"]
    assert all(mode.export_sizes == ["base", "2k", "4k"] for mode in modes.values())


GOOD_PLAN: dict[str, Any] = {
    "apiAccess": True,
    "requestsPerMinute": 10,
    "unitsPerMonth": 5,
    "maxExport": "2k",
    "band": 1,
    "quotaScope": "team",
    "retentionDays": 3,
}
GOOD_MODE: dict[str, Any] = {
    "model": "generate",
    "promptRequired": False,
    "presetRequired": False,
    "presets": [],
    "exportSizes": ["base"],
    "maxVariations": 1,
    "attemptSeconds": 5,
}


def written(folder: Path, value: object) -> Path:
    path = folder / "file.json"
    path.write_text(json.dumps(value))
    return path


def test_an_installation_brings_its_own(tmp_path: Path) -> None:
    assert load_plans(written(tmp_path, {"gold": GOOD_PLAN}))["gold"].units_per_month == 5
    assert load_modes(written(tmp_path, {"fast": GOOD_MODE}))["fast"].attempt_seconds == 5


def test_a_mode_that_does_not_say_so_takes_no_outputs(tmp_path: Path) -> None:
    plain = load_modes(written(tmp_path, {"fast": GOOD_MODE}))["fast"]
    assert (plain.max_outputs, plain.max_pictures) == (0, 1)


@pytest.mark.parametrize(
    ("pictures", "seconds"), [(1, 300), (4, 300), (5, 600), (12, 900), (24, 1800), (100, 3600)]
)
def test_more_pictures_than_a_mode_has_variations_may_take_as_much_longer(
    tmp_path: Path, pictures: int, seconds: int
) -> None:
    mode = GOOD_MODE | {"maxVariations": 4, "attemptSeconds": 300}
    assert load_modes(written(tmp_path, {"slow": mode}))["slow"].seconds_for(pictures) == seconds


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requestsPerMinute", 0),
        ("unitsPerMonth", -1),
        ("maxExport", "8k"),
        ("band", "high"),
        ("quotaScope", "planet"),
        ("retentionDays", None),
        ("requestPerMinute", 10),
    ],
)
def test_a_wrong_plan_names_plan_and_field(tmp_path: Path, field: str, value: object) -> None:
    path = written(tmp_path, {"gold": GOOD_PLAN | {field: value}})
    with pytest.raises(ValidationError, match=rf"gold\.{field}"):
        load_plans(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("maxVariations", 9),
        ("exportSizes", ["huge"]),
        ("attemptSeconds", 0),
        ("modell", "x"),
        ("maxOutputs", 9),
    ],
)
def test_a_wrong_mode_names_mode_and_field(tmp_path: Path, field: str, value: object) -> None:
    path = written(tmp_path, {"fast": GOOD_MODE | {field: value}})
    with pytest.raises(ValidationError, match=rf"fast\.{field}"):
        load_modes(path)


@pytest.mark.parametrize("field", list(GOOD_PLAN))
def test_a_plan_needs_every_field(tmp_path: Path, field: str) -> None:
    plan = {name: value for name, value in GOOD_PLAN.items() if name != field}
    with pytest.raises(ValidationError, match=rf"gold\.{field}"):
        load_plans(written(tmp_path, {"gold": plan}))
