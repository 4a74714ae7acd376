"""Walks the README on minimal machines: `python -m tests.bare [--suite trixie] [--downloads]`.

For each release a root file system with nothing but what the README asks for, a clean clone in
it, `make up`, the two printed calls and the picture; and a table of how long each step took. Each
starts without any cache. Needs root, for the roots; what is walked in them needs none.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from imagerift_local.errors import PlatformError
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_local.settings import CHECKOUT, PlatformSettings
from imagerift_node.machine import check_machine

from tests.bare.root import Root
from tests.bare.walk import Walk, WalkError

# Release to what `make test-bare` calls it.
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
ROOT_STEP = "root made by debootstrap"


def main() -> int:
    """Walks each root and prints the table; 1 when a walk failed."""
    cache = Cache(PlatformSettings().cache_dir.absolute())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--suite", action="append", choices=SUITES, help="one release; may be given again"
    )
    parser.add_argument("--folder", type=Path, default=cache.root / "bare", help="where roots lie")
    parser.add_argument(
        "--downloads",
        action="store_true",
        help="keep what is downloaded, and take it the next time",
    )
    parser.add_argument("--keep", action="store_true", help="leave the roots there")
    options = parser.parse_args()
    try:
        check_machine("make test-bare")
    except PlatformError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    workshop = Workshop(cache, Debian(cache.root), _say)
    columns: dict[str, dict[str, float]] = {}
    times: dict[str, float]
    failed = False
    for suite in options.suite or SUITES:
        downloads = options.folder / "downloads" if options.downloads else None
        root = Root(suite, options.folder.absolute() / suite, downloads)
        columns[SUITES[suite]] = times = {}
        try:
            _walk(root, workshop, times)
        except (WalkError, PlatformError, subprocess.SubprocessError) as error:
            failed = True
            sys.stderr.write(f"{SUITES[suite]}: {error}\n{getattr(error, 'output', '') or ''}\n")
        finally:
            if not options.keep:
                root.remove()
    sys.stdout.write(table(columns))
    return 1 if failed else 0


def _walk(root: Root, workshop: Workshop, times: dict[str, float]) -> None:
    began = time.monotonic()
    root.remove()
    root.make(workshop)
    root.clone(CHECKOUT)
    times[ROOT_STEP] = time.monotonic() - began
    walk = Walk(root, _say)
    try:
        _say(f"{SUITES[root.suite]}: {root.run('python3 --version').strip()}")
        walk.run()
    finally:
        times.update(walk.times)


def table(columns: dict[str, dict[str, float]]) -> str:
    """Steps by roots, in seconds; a step that was not reached has none."""
    steps = list(dict.fromkeys(step for times in columns.values() for step in times))
    lines = [
        "",
        f"| seconds from `make up` to | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    for step in steps:
        cells = (f"{times[step]:.0f}" if step in times else "–" for times in columns.values())
        lines.append(f"| {step} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
