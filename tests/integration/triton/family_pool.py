"""One pool with every family of diffusion weights, tiny and random, and a Triton that serves it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from imagerift_vision.diffusion_families.catalogue import FAMILIES
from imagerift_vision.pool_file import variables
from triton_server import PRODUCT, ROOT, Triton, run

# The pool's own weights, of the family of FLUX.1 dev: without guidance, and with few steps.
OWN = "flux-schnell"
WAYS = {family.name: family.ways for family in FAMILIES}
TASKS: Mapping[str, tuple[str, ...]] = {family.name: family.tasks for family in FAMILIES}
CASES = [(OWN, "img2img"), *((family, task) for family in TASKS for task in TASKS[family])]
HELD = [
    (family, task) for family in TASKS for task in TASKS[family] if WAYS[family][task].controlled
]
AT_ONCE = 4
# What is not stopped draws for longer than any test waits.
ENDLESS = 900
LORAS = ("ink.v1", "gold")
# Held in these no weights can be loaded here.
REFUSED = ("nf4", "int8")
# Each set of weights counts as 1 GiB, of which all have room; but beside this one only one has.
HUGE = "huge"
BUDGET = 3 * len(TASKS)


@dataclass(frozen=True)
class FamilyPool:
    """The running server."""

    triton: Triton
    weights: Path
    """A folder for each family, by its name."""
    log: Path
    plain: dict[str, bytes] = field(default_factory=dict)
    """By family, a picture by its first task that later ones are compared with."""


def diffusion(weights: Path) -> dict[str, Any]:
    """What the pool's file says of it: presets are named by family and what they try out."""
    models: dict[str, Any] = {HUGE: {"weights": f"{weights / OWN}", "vramGiB": BUDGET - 1}}
    presets: dict[str, Any] = {
        HUGE: {"model": HUGE},
        f"{OWN} img2img": {},
        f"{OWN} img2img endless": {"steps": ENDLESS},
    }
    for bits in REFUSED:
        models[bits] = {"weights": f"{weights / OWN}", "vramGiB": 1, "quantization": bits}
        presets[bits] = {"model": bits}
    for family, tasks in TASKS.items():
        models[family] = {"weights": f"{weights / family}", "vramGiB": 1}
        models[f"{family} fp8"] = models[family] | {"quantization": "fp8"}
        ink, gold = (
            {"weights": f"{weights / 'loras' / family / name}.safetensors"} for name in LORAS
        )
        worn = {"ink": [ink], "both": [ink, gold], "faint": [ink | {"scale": 0.1}, gold]}
        presets |= {
            family: {"model": family},
            f"{family} fp8": {"model": f"{family} fp8"},
            **{f"{family} {name}": {"model": family, "loras": worn[name]} for name in worn},
        }
        for task in tasks:
            plain = {"model": family, "task": task}
            if (family, task) in HELD:
                net = {"weights": f"{weights / 'controlnets' / family}"}
                presets[f"{family} {task} held"] = plain | {"controlNet": net}
            presets |= {
                f"{family} {task}": plain,
                f"{family} {task} endless": plain | {"steps": ENDLESS},
            }
        if "inpaint" in tasks:
            # At the size of what is delivered, so that what was kept is seen to the bit.
            presets[f"{family} exact"] = {"model": family, "task": "inpaint", "edge": 1024}
    return {
        "weights": f"{weights / OWN}",
        "vramGiB": 1,
        "vramBudgetGiB": BUDGET,
        "batch": AT_ONCE,
        "edge": 128,
        "steps": 2,
        "strength": 0.5,
        "models": models,
        "presets": presets,
    }


def diffusion_python() -> Path:
    """The Python that has PyTorch; its packages are in `site` beside it."""
    platform = Path(sys.executable).with_name("imagerift-platform")
    asked = [platform, "models-python", "--diffusion"]
    return Path(subprocess.check_output(asked, text=True).strip())


def make_weights(python: Path, folder: Path) -> Path:
    """All that there are builders of, a folder each; give theirs back."""
    tool = ROOT / "triton_models" / "tools" / "tiny_pool.py"
    subprocess.run([python, "-W", "ignore", tool, folder], check=True)
    return folder


def with_smaller_editors(site: Path, folder: Path) -> Path:
    """The packages, but for one number: Qwen's editors bring no picture to a megapixel.

    A picture of a tiny pipeline's would take ten seconds, whatever is asked for; `make reliability`
    has the number as it is.
    """
    editors = Path("diffusers/pipelines/qwenimage")
    opened = [*reversed(editors.parents), editors]
    for part in opened:
        (folder / part).mkdir()
        for one in (site / part).iterdir():
            if part / one.name in opened:
                continue
            there = folder / part / one.name
            if one.match("qwenimage/pipeline_*_edit*.py"):
                there.write_text(one.read_text().replace("1024 * 1024", "128 * 128"))
            else:
                there.symlink_to(one)
    return folder


@contextmanager
def family_pool(origin: str, folder: Path, weights: Path, site: Path) -> Iterator[FamilyPool]:
    """Start the server, and stop it at the end."""
    python = os.environ.get("IMAGERIFT_TEST_MODELS_PYTHON")
    if not python:
        pytest.fail("set IMAGERIFT_TEST_MODELS_PYTHON to the Python of the models' environment")
    settings = {
        "kind": "KIND_CPU",
        "threads": 1,
        "instances": {"control": 1, "diffusion": 1, "generate": 1},
        "modes": {"redraw": "diffusion"},
        "diffusion": diffusion(weights),
    }
    (folder / "pool.json").write_text(json.dumps(settings))
    told = variables(settings) | {"IMAGERIFT_DIFFUSION_SITE": str(site)}
    with run(
        Path(python), origin, folder, [PRODUCT], pool=str(folder / "pool.json"), variables=told
    ) as triton:
        yield FamilyPool(triton, weights, folder / "triton.log")
