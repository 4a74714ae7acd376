"""A second pool beside the platform's, by configuration alone: diffusion, a safety gate.

Its Triton is started by the platform's own code (`up --only triton`), from a pool's file and a
model repository of one's own, and told to the operator as a TritonPool.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

from tests.platform_under_test import BIN, CHECKOUT, PlatformUnderTest, wait_until

START_SECONDS = 400
POOL: dict[str, Any] = {
    "description": "What gpu.json does, on a CPU: tiny weights, few steps.",
    "kind": "KIND_CPU",
    "threads": 1,
    "instances": {"control": 1, "diffusion": 1, "generate": 1, "scene": 1},
    "modes": {
        "redraw": "diffusion",
        "redraw/warm": "duotone",
        "staged": "scene",
        "edit": "diffusion",
        "generate": "diffusion",
    },
    "backgrounds": "diffusion",
    "moderation": "gate",
    "diffusion": {
        "edge": 128,
        "batch": 2,
        "steps": 4,
        "strength": 0.5,
        "negativePrompt": "blurry",
        "presets": {
            "painted": {"prompt": "in oil"},
            "slow": {"steps": 60, "strength": 1.0},
            "thirty": {"steps": 30, "strength": 1.0, "edge": 768},
            "endless": {"steps": 900, "strength": 1.0, "edge": 512},
            "colossal": {"edge": 400000},
        },
    },
}


@dataclass(frozen=True)
class OwnPool:
    """The running pool and its gate's block lists."""

    platform: PlatformUnderTest
    models: Path
    address: str

    @property
    def fingerprints(self) -> ModuleType:
        """The gate's own notion of what a picture is."""
        path = self.models / "gate" / "1" / "fingerprint.py"
        spec = importlib.util.spec_from_file_location("fingerprint", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def drawing_seconds(self) -> float:
        """Processor time of the diffusion model so far."""
        marker = str(self.models.parent / "data" / "models" / "diffusion")
        total = 0.0
        for process in psutil.process_iter(["cmdline", "cpu_times"]):
            if any(marker in part for part in process.info["cmdline"] or ()):
                total += process.info["cpu_times"].user
        return total

    def block(self, *, words: tuple[str, ...] = (), pictures: tuple[str, ...] = ()) -> None:
        """Replace the block lists."""
        lists = self.models / "gate" / "1" / "blocked.json"
        fresh = lists.with_suffix(".new")
        fresh.write_text(json.dumps({"words": words, "pictures": pictures}))
        fresh.replace(lists)


@contextmanager
def own_pool(
    platform: PlatformUnderTest,
    folder: Path,
    *,
    at_once: int,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[OwnPool]:
    """Start it, for so many jobs at once, and take it away at the end.

    `presets` are in the place of its own, under their names.
    """
    models = folder / "models"
    shutil.copytree(CHECKOUT / "docs/examples", models)
    weights = folder / "tiny"
    python = platform.run("imagerift-platform", "models-python", "--diffusion").stdout.strip()
    platform.run(python, str(CHECKOUT / "triton_models/tools/tiny_diffusion.py"), str(weights))
    instances = POOL["instances"] | {"generate": at_once}
    named = POOL["diffusion"]["presets"] | dict(presets or {})
    diffusion = POOL["diffusion"] | {"batch": at_once, "presets": named}
    pool = POOL | {"instances": instances, "diffusion": diffusion}
    (folder / "pool.json").write_text(json.dumps(pool))
    environment = settings_of(platform, folder / "pool.json") | {
        "IMAGERIFT_LOCAL_EXTRA_MODELS": str(models),
        "IMAGERIFT_DIFFUSION_WEIGHTS": str(weights),
    }
    with pool_of(platform, folder, environment) as address:
        yield OwnPool(platform, models, address)


@contextmanager
def pool_of(
    platform: PlatformUnderTest, folder: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    """The Triton of that environment as the pool of the mode `redraw`; gives its address."""
    data = folder / "data"
    command = [str(BIN / "imagerift-platform"), "up", "--only", "triton", "--port-base", "auto"]
    with (folder / "platform.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data)], env=environment, stdout=log, stderr=log
        )
        try:
            address = _address(process, data, folder / "platform.log")
            platform.kubectl("apply", "-f", "-", stdin=json.dumps(_manifest(address)))
            platform.kubectl("wait", "--for=condition=Ready", "tp/own", "--timeout=280s")
            yield address
        finally:
            platform.kubectl("delete", "tp/own", "--ignore-not-found")
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def settings_of(platform: PlatformUnderTest, pool: Path) -> dict[str, str]:
    """What a Triton of that pool's file needs to serve the platform's jobs."""
    given = platform.environment
    return {
        **os.environ,
        "IMAGERIFT_LOCAL_POOL": str(pool),
        "IMAGERIFT_LOCAL_WEIGHTS": "packaged",
        "IMAGERIFT_LOCAL_S3_URL": given["IMAGERIFT_S3_INTERNAL_URL"],
        "IMAGERIFT_LOCAL_S3_ACCESS_KEY": given["IMAGERIFT_S3_ACCESS_KEY"],
        "IMAGERIFT_LOCAL_S3_SECRET_KEY": given["IMAGERIFT_S3_SECRET_KEY"],
        "IMAGERIFT_MODEL_TOKEN": given["IMAGERIFT_MODEL_TOKEN"],
    }


def _manifest(address: str) -> dict[str, Any]:
    return {
        "apiVersion": "imagerift.dev/v1",
        "kind": "TritonPool",
        "metadata": {"name": "own"},
        # As many slots as the server says that it takes.
        "spec": {"endpoint": address, "modes": ["redraw", "staged", "edit", "generate"]},
    }


def _address(process: subprocess.Popen[bytes], data: Path, log: Path) -> str:
    """Triton's address once it is ready."""
    state = data / "state.json"

    def ready() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"the pool did not start:\n{log.read_text()}")
        return state.exists() and bool(json.loads(state.read_text())["ready"])

    wait_until(ready, seconds=START_SECONDS, what="the pool is ready")
    part = json.loads(state.read_text())["parts"]["triton"]
    return str(part["address"])
