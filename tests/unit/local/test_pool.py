"""Pools by configuration: which models Triton gets, what it is told, which modes it serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from imagerift_local.errors import PlatformError
from imagerift_local.pool import SETTINGS, SHIPPED_MODES, lay_out, read_pool, served_modes


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SETTINGS, "IMAGERIFT_MODES_FILE"):
        monkeypatch.delenv(name, raising=False)


def written(folder: Path, **members: object) -> str:
    path = folder / "pool.json"
    small = {"kind": "KIND_CPU", "threads": 1, "instances": {"control": 1, "generate": 3}}
    path.write_text(json.dumps(small | members))
    return str(path)


def test_the_default_pool_has_the_shipped_modes_and_nothing_that_needs_pytorch(
    tmp_path: Path,
) -> None:
    pool = read_pool("cpu-small")
    assert lay_out(pool, tmp_path / "models") == {"IMAGERIFT_THREADS": "1"}
    assert {path.name for path in (tmp_path / "models").iterdir()} == set(pool.instances)
    assert pool.provisions == frozenset()
    assert pool.slots == 2
    by_words = {"edit", "generate"}
    assert served_modes(pool, []) == sorted(json.loads(SHIPPED_MODES.read_text()).keys() - by_words)


def test_the_gpu_pool_draws_style_and_avatar_with_the_diffusion_model(tmp_path: Path) -> None:
    pool = read_pool("gpu")
    told = lay_out(pool, tmp_path / "models")
    assert json.loads(told["IMAGERIFT_MODE_MODELS"]) == {
        "style": "diffusion",
        "avatar": "diffusion",
        "edit": "diffusion",
        "generate": "diffusion",
    }
    assert json.loads(told["IMAGERIFT_DIFFUSION"])["weights"] == "/weights"
    assert pool.provisions == {"diffusion"}
    assert served_modes(pool, []) == [
        "avatar",
        "cutout",
        "edit",
        "enhance",
        "generate",
        "scene",
        "style",
    ]
    assert told["IMAGERIFT_BACKGROUND_MODEL"] == "diffusion"
    kinds = {
        path.name: (path / "config.pbtxt").read_text().split("kind: ")[1].split()[0]
        for path in (tmp_path / "models").iterdir()
    }
    assert kinds == {
        "control": "KIND_CPU",
        "cutout": "KIND_CPU",
        "diffusion": "KIND_GPU",
        "enhance": "KIND_CPU",
        "generate": "KIND_CPU",
        "scene": "KIND_CPU",
    }
    assert (tmp_path / "models" / "diffusion" / "1" / "model.py").is_file()


def test_a_pool_is_laid_out_anew_each_time(tmp_path: Path) -> None:
    lay_out(read_pool("cpu-small"), tmp_path / "models")
    lay_out(read_pool(written(tmp_path)), tmp_path / "models")
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"control", "generate"}


def test_the_user_s_variables_win_over_the_pool_s_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = read_pool(written(tmp_path, modes={"ours": "ours"}, moderation="gate"))
    monkeypatch.setenv("IMAGERIFT_THREADS", "3")
    monkeypatch.setenv("IMAGERIFT_MODE_MODELS", '{"theirs": "theirs"}')
    assert lay_out(pool, tmp_path / "models") == {
        "IMAGERIFT_THREADS": "3",
        "IMAGERIFT_MODE_MODELS": '{"theirs": "theirs"}',
        "IMAGERIFT_MODERATION_MODEL": "gate",
    }


def test_a_mode_is_served_where_its_model_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repository" / "ours").mkdir(parents=True)
    entry = {"model": "generate"}
    modes = {
        "ours": entry,
        "away": entry,
        "style": entry,
        "taken": entry,
        "noop": {"model": "noop"},
    }
    (tmp_path / "modes.json").write_text(json.dumps(modes))
    monkeypatch.setenv("IMAGERIFT_MODES_FILE", str(tmp_path / "modes.json"))
    instances = {"control": 1, "generate": 1, "style": 1, "taken": 1}
    pool = written(
        tmp_path, instances=instances, modes={"ours": "ours", "away": "away", "taken": None}
    )
    assert served_modes(read_pool(pool), [tmp_path / "repository"]) == ["ours", "style"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"instances": {"generate": 1, "levitate": 1}}, "there is no model levitate"),
        ({"threds": 1}, "threds"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, members: dict[str, object], said: str) -> None:
    with pytest.raises(PlatformError, match=said):
        lay_out(read_pool(written(tmp_path, **members)), tmp_path / "models")


def test_a_pool_that_is_not_there_is_named() -> None:
    with pytest.raises(PlatformError, match="no such pool: tpu"):
        read_pool("tpu")


def test_a_file_that_holds_no_pool_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pool.json"
    path.write_text("[]")
    with pytest.raises(PlatformError, match=r"pool\.json"):
        read_pool(str(path))
