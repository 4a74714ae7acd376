"""The chaos suite: mixed jobs while every part is killed, stopped, refused, edited and cut off.

`python -m tests.chaos --seed 1 --jobs 1000` makes one run and prints its summary as JSON.

Exits with 1 where a promise was broken. `IMAGERIFT_TEST_ENV` may name a running platform.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

from tests.chaos.deeds.disks import has_own_mounts, with_own_mounts
from tests.chaos.history import History
from tests.chaos.run import KINDS, VERSIONS, Options, Store, run
from tests.platform_under_test import attach, started


def main() -> None:
    # As an exception, so that every process is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument(
        "--store",
        choices=get_args(Store),
        help="MongoDB: one member, three, or two and an arbiter; the seed draws one "
        "of the last two",
    )
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS, metavar="KIND")
    parser.add_argument("--without", nargs="+", choices=KINDS, default=(), metavar="KIND")
    parser.add_argument("--versions", action="store_true", help="two versions side by side")
    parser.add_argument("--history", type=Path, help="also write every answer to this file")
    arguments = parser.parse_args()
    store: Store = arguments.store or ("three", "arbiter")[arguments.seed % 2]
    kinds = [kind for kind in arguments.only if kind not in arguments.without]
    if arguments.versions:
        kinds.append(VERSIONS)
    if "disks" in kinds and not has_own_mounts():
        again = with_own_mounts([sys.executable, "-m", "tests.chaos", *sys.argv[1:]])
        if again is not None:
            command, environment = again
            os.execvpe(command[0], command, environment)  # noqa: S606 - ourselves, by the same words
        sys.stderr.write("No disk is filled: this user can mount none.\n")
        kinds.remove("disks")
    options = Options(arguments.seed, arguments.jobs, store=store, kinds=kinds)
    given = os.environ.get("IMAGERIFT_TEST_ENV")
    history = History()
    try:
        with ExitStack() as stack:
            made = tempfile.mkdtemp(prefix="imagerift-chaos-")
            if os.environ.get("IMAGERIFT_KEEP_TEST_DATA"):
                sys.stderr.write(f"Logs and data of the shard are kept in {made}\n")
            else:
                stack.callback(shutil.rmtree, made)
            platform = attach(Path(given)) if given else stack.enter_context(started())
            findings = run(platform, Path(made), options, history)
    finally:
        if arguments.history:
            history.write(arguments.history)
    summary: dict[str, Any] = {**findings.figures, "broken promises": findings.broken}
    print(json.dumps(summary, indent=2))
    raise SystemExit(1 if findings.broken else 0)


if __name__ == "__main__":
    main()
