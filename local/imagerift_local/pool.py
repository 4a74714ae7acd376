"""Triton's pool settings: which models there are, how many of each, and what they are told.

The files are in `triton_models/pools` or the user's own; the tool beside them lays out the model
repository, here as on a cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagerift_local.errors import PlatformError
from imagerift_local.settings import CHECKOUT

POOLS = CHECKOUT / "triton_models" / "pools"
TOOL = CHECKOUT / "triton_models" / "tools" / "pool.py"
SHIPPED_MODES = CHECKOUT / "core" / "imagerift_core" / "data" / "modes.json"
ENTRY = "generate"
MODE_MODELS = "IMAGERIFT_MODE_MODELS"
# What the user's environment says of these wins over the pool's file.
SETTINGS = (
    "IMAGERIFT_THREADS", MODE_MODELS, "IMAGERIFT_MODERATION_MODEL",
    "IMAGERIFT_DIFFUSION", "IMAGERIFT_DIFFUSION_WEIGHTS", "IMAGERIFT_ENGINE",
)  # fmt: skip


@dataclass(frozen=True)
class Pool:
    """What the platform itself must know of a pool."""

    path: Path
    instances: Mapping[str, int]
    modes: Mapping[str, str | None]
    """Models behind modes, where they have other names; None takes a mode away."""

    @property
    def slots(self) -> int:
        """Jobs at once."""
        return self.instances.get(ENTRY, 1)

    @property
    def provisions(self) -> frozenset[str]:
        """What its models run from besides Triton's own environment."""
        return frozenset({"diffusion"}) & self.instances.keys()


def read_pool(name: str) -> Pool:
    """The pool of that name, or in that file.

    Raises:
        PlatformError: there is none, or it cannot be read.
    """
    path = Path(name).absolute() if name.endswith(".json") else POOLS / f"{name}.json"
    try:
        document = json.loads(path.read_text())
        return Pool(path, dict(document["instances"]), dict(document.get("modes") or {}))
    except OSError:
        known = ", ".join(sorted(file.stem for file in POOLS.glob("*.json")))
        raise PlatformError(f"no such pool: {name} (there are {known})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise PlatformError(f"{path} holds no pool's settings: {error!r}") from None


def lay_out(pool: Pool, folder: Path) -> dict[str, str]:
    """Makes `folder` the pool's model repository; the result is Triton's variables.

    Raises:
        PlatformError: the settings are wrong.
    """
    command = [sys.executable, str(TOOL), str(pool.path), "--into", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PlatformError(f"the pool's settings are wrong: {done.stderr.strip()}")
    pairs = (line.split("=", 1) for line in done.stdout.splitlines())
    return dict(pairs) | {name: os.environ[name] for name in SETTINGS if name in os.environ}


def served_modes(pool: Pool, repositories: Sequence[Path]) -> list[str]:
    """The modes, of those the API knows, that the pool's `generate` has a model for.

    Raises:
        PlatformError: the file of modes, or IMAGERIFT_MODE_MODELS, cannot be read.
    """
    path = Path(os.environ.get("IMAGERIFT_MODES_FILE") or SHIPPED_MODES)
    try:
        modes: dict[str, dict[str, Any]] = json.loads(path.read_text())
        renamed = json.loads(os.environ.get(MODE_MODELS) or "{}")
    except (OSError, ValueError) as error:
        raise PlatformError(f"{path} or {MODE_MODELS} cannot be read: {error}") from None
    behind: dict[str, str | None] = {name: name for name in pool.instances if name != ENTRY}
    # As the models read them: the variable takes the place of the pool's own.
    behind |= renamed or pool.modes

    def is_there(model: str | None) -> bool:
        if model is None:
            return False
        return model in pool.instances or any((path / model).is_dir() for path in repositories)

    return sorted(
        name
        for name, mode in modes.items()
        if mode.get("model") == ENTRY and is_there(behind.get(name))
    )
