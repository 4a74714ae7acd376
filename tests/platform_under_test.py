"""The embedded platform as tests see it: started by the code of `make up`, used from outside.

`python -m tests.platform_under_test COMMAND …` starts one, runs the command with
`IMAGERIFT_TEST_ENV` set to its environment file, and stops it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.otlp_receiver import ReceivedSpan, read_spans, receiving
from tests.support.server_processes import administrators, free_port

CHECKOUT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
START_SECONDS = 600
PATIENCE = 5
# Modes for tests of the way through the platform, beside those that are shipped.
TEST_MODES = {"noop": "noop", "delay": "delay", "raising": "raising", "puppet": "puppet"}
MODELS = ("bench/models", "docs/examples", "tests/data/models", "tests/models")
SPANS = "spans.jsonl"
# Served by a pool of its own, which a test starts: tests/e2e/own_pool.py.
OWN_POOL_PRESETS = ["painted", "slow", "thirty", "endless", "colossal", "warm"]
# Workspaces on the plan "pods" get a pod for each job.
JOB_PODS = {
    "namespace": "imagerift-runners",
    "image": "registry.example/imagerift/runner:1",
    "gpus": 1,
    "maxPods": 2,
    "startSeconds": 120,
    "rules": [{"plans": ["pods"]}],
}


def wait_until(
    condition: Callable[[], Any], *, seconds: float, what: str, every: float = 0.1
) -> Any:
    """The first true value of `condition`, asked every so many seconds.

    Raises `AssertionError` where it takes many times the `seconds` of a machine with nothing else
    to do: a busy one is no reason to fail, and what never comes is told all the same.
    """
    end = time.monotonic() + PATIENCE * seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


@dataclass(frozen=True)
class PlatformUnderTest:
    """A running platform: its data folder and the variables that its programs use."""

    data: Path
    environment: Mapping[str, str]

    @property
    def api_url(self) -> str:
        return self.environment["IMAGERIFT_API_URL"]

    @property
    def crash_dir(self) -> Path:
        return self.data.parent / "crash"

    @property
    def administrator(self) -> dict[str, str]:
        """The variables with the accounts of both stores that may do everything."""
        return administrators(self.environment, self.data)

    def spans(self) -> list[ReceivedSpan]:
        """Every span that any process of the platform has sent."""
        return read_spans(self.data.parent / SPANS)

    def part(self, name: str) -> dict[str, Any]:
        """State of one part: `state`, `pid`, `address`, `log`, `restarts`."""
        state: dict[str, Any] = json.loads((self.data / "state.json").read_text())["parts"][name]
        return state

    def kill(self, name: str) -> None:
        """SIGKILL to a part's process."""
        os.kill(self.part(name)["pid"], signal.SIGKILL)

    def wait_ready(self, *names: str, seconds: float = 120) -> None:
        """Waits until the parts (all, where none is named) answer again."""

        def ready() -> bool:
            parts = json.loads((self.data / "state.json").read_text())["parts"]
            wanted = names or tuple(parts)
            return all(parts[name]["state"] == "ready" for name in wanted)

        wait_until(ready, seconds=seconds, what=f"ready: {', '.join(names) or 'every part'}")

    def run(
        self, *command: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program as an administrator of the platform would, and captures its output."""
        done = subprocess.run(
            command,
            env=self._programs_environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr}")
        return done

    def start(self, *command: str, into: Path) -> subprocess.Popen[bytes]:
        """Starts a program as `run` does; all that it prints goes to a file."""
        with into.open("wb") as output:
            return subprocess.Popen(
                command, env=self._programs_environment(), stdout=output, stderr=subprocess.STDOUT
            )

    def kubectl(
        self, *arguments: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        namespace = self.environment["IMAGERIFT_NAMESPACE"]
        return self.run("kubectl", "-n", namespace, *arguments, check=check, stdin=stdin)

    def admin(self, *arguments: str) -> Any:
        """What `imagerift admin …` prints, decoded."""
        return json.loads(self.run("imagerift", "admin", *arguments).stdout)

    def _programs_environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "PATH": f"{BIN}:{os.environ['PATH']}"}


def attach(environment_file: Path) -> PlatformUnderTest:
    """The platform whose environment file this is."""
    pairs = (line.strip().split("=", 1) for line in environment_file.read_text().splitlines())
    variables = {pair[0]: pair[1].strip("'\"") for pair in pairs if len(pair) == 2}
    variables["IMAGERIFT_PLANS_FILE"] = str(CHECKOUT / "tests/data/plans.json")
    return PlatformUnderTest(environment_file.parent, variables)


@contextlib.contextmanager
def started(
    *,
    traced: bool = True,
    crash_points: bool = True,
    slots: int = 8,
    job_ttl_seconds: int | None = 15,
) -> Iterator[PlatformUnderTest]:
    """A platform of its own on free ports in a temporary folder, with test modes and plans.

    `traced`: whether its programs send spans. `crash_points`: whether they look for a point at
    which to die. `slots`: how many jobs its test pool takes. `job_ttl_seconds`: how long ended
    resources stay, None for as long as they ask for themselves.
    """
    folder = Path(tempfile.mkdtemp(prefix="imagerift-test-"))
    (folder / "crash").mkdir()
    modes = json.loads((CHECKOUT / "core/imagerift_core/data/modes.json").read_text())
    for mode, model in TEST_MODES.items():
        modes[mode] = {
            "model": model,
            "promptRequired": False,
            "presetRequired": False,
            "presets": [],
            "exportSizes": ["base", "2k", "4k"],
            "maxVariations": 8,
            "attemptSeconds": 60,
        }
    redraw = {"model": "generate", "presets": OWN_POOL_PRESETS, "attemptSeconds": 300}
    modes["redraw"] = modes["noop"] | redraw
    # Of the pool with a diffusion model: the platform's own has scenes as well.
    modes["staged"] = modes["scene"]
    modes |= documented_mode()
    (folder / "modes.json").write_text(json.dumps(modes))
    pool = json.loads((CHECKOUT / "triton_models/pools/cpu-small.json").read_text())
    (folder / "pool.json").write_text(json.dumps(pool | {"modes": {"duotone": "duotone"}}))
    (folder / "job-pods.json").write_text(json.dumps(JOB_PODS))
    webhook_port = free_port()
    (folder / "webhook-port").write_text(str(webhook_port))
    environment = {
        **os.environ,
        "IMAGERIFT_JOB_PODS_FILE": str(folder / "job-pods.json"),
        # Where a test may listen for webhooks.
        "IMAGERIFT_WEBHOOK_ALLOWED_HOSTS": f"127.0.0.1:{webhook_port}",
        "IMAGERIFT_PLANS_FILE": str(CHECKOUT / "tests/data/plans.json"),
        "IMAGERIFT_MODES_FILE": str(folder / "modes.json"),
        "IMAGERIFT_LEASE_SECONDS": "4",
        # Tests make pools at ports of their own.
        "IMAGERIFT_MODEL_TOKEN_HOSTS": "127.0.0.1",
        "IMAGERIFT_RECORD_GRACE_SECONDS": "5",
        "IMAGERIFT_LOCAL_EXTRA_MODELS": ":".join(f"{CHECKOUT}/{folder}" for folder in MODELS),
        "IMAGERIFT_LOCAL_POOL": str(folder / "pool.json"),
        # The same pictures on every machine: nothing is fetched.
        "IMAGERIFT_LOCAL_WEIGHTS": "packaged",
    }
    if job_ttl_seconds is not None:
        # Long enough to look at an ended resource, short enough to see it go.
        environment["IMAGERIFT_JOB_TTL_SECONDS"] = str(job_ttl_seconds)
    if crash_points:
        environment["IMAGERIFT_CRASH_DIR"] = str(folder / "crash")
    with contextlib.ExitStack() as stack:
        if traced:
            # Every run's spans, so that any test may look at them.
            endpoint = stack.enter_context(receiving(folder / SPANS))
            exporter = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "500"}
            environment |= exporter
        platform = stack.enter_context(running(folder, environment))
        _add_test_pool(platform, slots)
        yield platform
    if os.environ.get("IMAGERIFT_KEEP_TEST_DATA"):
        sys.stderr.write(f"The platform's data and logs are kept in {folder}\n")
    else:
        shutil.rmtree(folder)


@contextlib.contextmanager
def running(folder: Path, environment: Mapping[str, str]) -> Iterator[PlatformUnderTest]:
    data = folder / "data"
    command = [str(BIN / "imagerift-platform"), "up", "--data-dir", str(data)]
    log = (folder / "platform.log").open("w")
    process = subprocess.Popen(
        [*command, "--port-base", "auto"], env=environment, stdout=log, stderr=log
    )
    try:
        _wait_for_start(process, data, folder / "platform.log")
        yield attach(data / "platform.env")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)
        log.close()


def documented_mode() -> dict[str, Any]:
    """The mode of one's own that docs/models.md puts into the file of modes."""
    text = (CHECKOUT / "docs/models.md").read_text()
    entry = text.split('```json\n"duotone":', 1)[1].split("```", 1)[0]
    return {"duotone": json.loads(entry)}


def _wait_for_start(process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    state = data / "state.json"

    def ready() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"the platform did not start:\n{log.read_text()}")
        return state.exists() and bool(json.loads(state.read_text())["ready"])

    wait_until(ready, seconds=START_SECONDS, what="the platform is ready")


def _add_test_pool(platform: PlatformUnderTest, slots: int) -> None:
    pool = {
        "apiVersion": "imagerift.dev/v1",
        "kind": "TritonPool",
        "metadata": {"name": "test"},
        "spec": {
            "endpoint": platform.environment["IMAGERIFT_TRITON_URL"],
            "slotsPerReplica": slots,
            "modes": list(TEST_MODES),
        },
    }
    platform.kubectl("apply", "-f", "-", stdin=json.dumps(pool))
    platform.kubectl("wait", "--for=condition=Ready", "tp/test", "--timeout=300s")


def main() -> None:
    # As an exception, so that the platform is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with started() as platform:
        variables = {**os.environ, "IMAGERIFT_TEST_ENV": str(platform.data / "platform.env")}
        done = subprocess.run(sys.argv[1:], env=variables, check=False)
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
