"""docs/gpu.md: what it reckons is right, for all families, and its steps name what there is."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from imagerift_local.settings import CHECKOUT

from tests.unit.charts.test_images import GPU, STAGES

PAGE = (CHECKOUT / "docs" / "gpu.md").read_text()
EXAMPLES = CHECKOUT / "charts" / "imagerift" / "examples"
POOLS = CHECKOUT / "triton_models" / "pools"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def section(title: str) -> str:
    return re.split(r"\n##+ ", PAGE.partition(f"# {title}\n")[2])[0]


def table(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    """The families of a cell; `-edit` goes on with the one before."""
    found: list[str] = []
    for name in re.findall(r"`([^`]+)`", cell):
        found.append(found[0] + name if name.startswith("-") else name)
    return found


ROWS = table("By family")


def test_every_family_has_its_size() -> None:
    told = [name for row in ROWS for name in names(row[0])]
    assert set(told) == {names(row[0])[0] for row in table("Families")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_familys_gigabytes_follow_from_the_formula(row: list[str]) -> None:
    denoiser, rest, whole, fp8, nf4, offloaded = (float(cell) for cell in row[1:7])
    assert whole == pytest.approx(2 * (denoiser + rest), abs=0.06)
    assert fp8 == pytest.approx(denoiser + 2 * rest, abs=0.06)
    # Stable Diffusion's text encoders are small, and stay as they are.
    heavy = 0.0 if row[0].startswith("`stable-diffusion") else rest
    assert nf4 == pytest.approx(0.55 * (denoiser + heavy) + 2 * (rest - heavy), abs=0.06)
    assert offloaded == pytest.approx(2 * max(denoiser, rest), abs=0.06)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_said_to_fit_fits(row: list[str]) -> None:
    said = [float(number) for number in re.findall(r"(\d+) GB", row[7])]
    sizes = dict(zip(("no offload", "fp8", "nf4", "offload: model"), row[3:7], strict=True))
    for part in row[7].split(";"):
        way = next((name for name in sizes if f"`{name}`" in part), "no offload")
        (room,) = (float(number) for number in re.findall(r"(\d+) GB", part))
        assert float(sizes[way]) < 0.93 * room, part
    assert said


def test_the_cost_of_the_example_is_reckoned_right() -> None:
    text = section("Sizing")
    reckoned = re.search(r"1\.20 × 1,000 × 6 / 3,600 / 0\.5 = (\d+\.\d+)", text)
    assert reckoned is not None
    assert float(reckoned[1]) == pytest.approx(1.2 * 1000 * 6 / 3600 / 0.5)


def test_the_first_hour_names_what_there_is() -> None:
    text = section("The first hour")
    assert f"--target {GPU} " in text and GPU in STAGES
    assert "--build-arg GPU_BASE=" in text
    for name in re.findall(r"examples/([\w.-]+)", text):
        assert (EXAMPLES / name).is_file(), name
    for name, _, pool in table("The first hour"):
        example = yaml.safe_load((EXAMPLES / name.strip("`")).read_text())
        (told,) = [one for one in example["pools"] if one != "default"]
        variables = example["pools"][told]["template"]["env"]
        assert variables == [{"name": "IMAGERIFT_POOL", "value": pool.strip("`")}]
        assert json.loads((POOLS / f"{pool.strip('`')}.json").read_text())["kind"] == "KIND_GPU"
    assert "pools.l4.template.image" in text
