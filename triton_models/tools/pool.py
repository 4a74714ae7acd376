"""A pool's settings as Triton wants them: a model repository, and variables.

    python triton_models/tools/pool.py POOL --into FOLDER     lays the pool's repository out there
    python triton_models/tools/pool.py cpu-small [--check]    writes the counts into the sources

POOL is the name of a file in triton_models/pools, or the path of one of your own; docs/models.md
tells its members. What is printed are the variables that Triton must be started with, one a line.
Needs nothing but Python.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRITON_MODELS = Path(__file__).resolve().parents[1]
REPOSITORY = TRITON_MODELS / "repository"
INSTANCE_GROUP = re.compile(r"^instance_group \[.*\]$", re.MULTILINE)
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
    """A pool's settings.

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


def configured(model: str, settings: Mapping[str, Any]) -> str:
    """A model's config.pbtxt with the pool's instances.

    Raises ValueError when it has no instance group to replace.
    """
    kind = settings["kind"] if model in ON_GPU else "KIND_CPU"
    count = settings["instances"][model]
    replaced, number = INSTANCE_GROUP.subn(
        f"instance_group [ {{ kind: {kind} count: {count} }} ]",
        (REPOSITORY / model / "config.pbtxt").read_text(),
    )
    if number != 1:
        raise ValueError(f"{model}: config.pbtxt must hold exactly one instance_group line")
    return replaced


def lay_out(settings: Mapping[str, Any], folder: Path) -> None:
    """Make `folder` the pool's model repository: its models and no others.

    The code is linked to, so it stays where it is.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for model in settings["instances"]:
        (folder / model).mkdir(parents=True)
        (folder / model / "config.pbtxt").write_text(configured(model, settings))
        (folder / model / "1").symlink_to(REPOSITORY / model / "1")


def main() -> int:
    """Do what the arguments say; with --check only tell whether the sources are as POOL wants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pool")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--into", type=Path)
    options = parser.parse_args()
    try:
        settings = read(options.pool)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{name}={value}\n" for name, value in variables(settings).items())
    if options.into is not None:
        lay_out(settings, options.into)
        return 0
    wanted = {model: configured(model, settings) for model in settings["instances"]}
    differing = [
        model
        for model, text in wanted.items()
        if (REPOSITORY / model / "config.pbtxt").read_text() != text
    ]
    if not options.check:
        for model in differing:
            (REPOSITORY / model / "config.pbtxt").write_text(wanted[model])
    elif differing:
        sys.stderr.write(f"not as {options.pool} wants them: {', '.join(differing)}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
