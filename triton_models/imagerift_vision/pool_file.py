"""A pool's file: what is loaded, on what, and which variables the models read. Python alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRITON_MODELS = Path(__file__).resolve().parents[1]
REPOSITORY = TRITON_MODELS / "repository"
# The others compute on the CPU, whatever the pool is.
ON_GPU = frozenset({"diffusion"})
MEMBERS = frozenset(
    {
        "description",
        "kind",
        "threads",
        "instances",
        "modes",
        "moderation",
        "backgrounds",
        "diffusion",
        "engine",
    }
)


def read(pool: str) -> dict[str, Any]:
    """A pool's settings, by its name or the path of its file.

    Raises OSError when there is no such file, ValueError when it is not one of a pool.
    """
    path = Path(pool) if pool.endswith(".json") else TRITON_MODELS / "pools" / f"{pool}.json"
    settings = json.loads(path.read_text())
    unknown = set(settings) - MEMBERS
    missing = {"kind", "threads", "instances"} - set(settings)
    if unknown or missing:
        raise ValueError(f"{path}: {', '.join(sorted(unknown | missing))} unknown or missing")
    strange = [model for model in settings["instances"] if not (REPOSITORY / model).is_dir()]
    if strange:
        raise ValueError(f"{path}: there is no model {', '.join(strange)}")
    return dict(settings)


def variables(settings: Mapping[str, Any]) -> dict[str, str]:
    """What the models read from their environment."""
    named = {"IMAGERIFT_THREADS": str(settings["threads"])}
    if settings.get("modes"):
        named["IMAGERIFT_MODE_MODELS"] = json.dumps(settings["modes"])
    if settings.get("moderation"):
        named["IMAGERIFT_MODERATION_MODEL"] = str(settings["moderation"])
    if settings.get("backgrounds"):
        named["IMAGERIFT_BACKGROUND_MODEL"] = str(settings["backgrounds"])
    if settings.get("diffusion"):
        named["IMAGERIFT_DIFFUSION"] = json.dumps(settings["diffusion"])
    if settings.get("engine"):
        named["IMAGERIFT_ENGINE"] = json.dumps(settings["engine"])
    return named
