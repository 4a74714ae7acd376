"""Apply a pool's settings to the model repository: instance counts, kind and threads.

    MODELS_PYTHON triton_models/tools/pool.py cpu-small [--check]

Each model's config.pbtxt holds one `instance_group`; this rewrites it from pools/POOL.json, which
stands for the whole pool kind. `threads` is what IMAGERIFT_THREADS should be; it is printed.
"""

import argparse
import json
import re
import sys
from pathlib import Path

TRITON_MODELS = Path(__file__).resolve().parents[1]
INSTANCE_GROUP = re.compile(r"^instance_group \[.*\]$", re.MULTILINE)
# Orchestration and control never touch a GPU, whatever the pool is.
ALWAYS_ON_CPU = frozenset({"generate", "control"})


def apply(config: str, kind: str, count: int) -> str:
    """A config.pbtxt with its instance group replaced. Raises ValueError when it has none."""
    replaced, number = INSTANCE_GROUP.subn(
        f"instance_group [ {{ kind: {kind} count: {count} }} ]", config
    )
    if number != 1:
        raise ValueError("a config.pbtxt must hold exactly one instance_group line")
    return replaced


def main() -> int:
    """Rewrite the configurations, or with --check say whether they are as the pool wants them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pool")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--repository", type=Path, default=TRITON_MODELS / "repository")
    options = parser.parse_args()
    settings = json.loads((TRITON_MODELS / "pools" / f"{options.pool}.json").read_text())
    differing = []
    for model, count in settings["instances"].items():
        path = options.repository / model / "config.pbtxt"
        kind = "KIND_CPU" if model in ALWAYS_ON_CPU else settings["kind"]
        before = path.read_text()
        after = apply(before, kind, count)
        if after != before:
            differing.append(model)
            if not options.check:
                path.write_text(after)
    sys.stdout.write(f"IMAGERIFT_THREADS={settings['threads']}\n")
    if options.check and differing:
        sys.stderr.write(f"not as {options.pool} wants them: {', '.join(differing)}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
