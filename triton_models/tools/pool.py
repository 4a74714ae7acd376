"""A pool's settings as Triton wants them: a model repository, and variables.

    python triton_models/tools/pool.py POOL --into FOLDER     lays the pool's repository out there
    python triton_models/tools/pool.py cpu-small [--check]    writes the counts into the sources

POOL is the name of a file in triton_models/pools, or the path of one of your own; docs/models.md
tells its members. What is printed are the variables that Triton must be started with, one a line.
Needs nothing but Python.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imagerift_vision.pool_file import ON_GPU, REPOSITORY, read, variables

INSTANCE_GROUP = re.compile(r"^instance_group \[.*\]$", re.MULTILINE)


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
