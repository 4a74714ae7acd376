"""The README's first command and the two calls that it prints, as a newcomer follows them."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from PIL import Image

from tests.bare.root import Root

START_SECONDS = 3600.0
JOB_SECONDS = 600.0
POLL_SECONDS = 1.0
READY = "ImageRift is ready"
# The last line before a step of the first command is done, and the step's name in the table.
STEPS = (
    (re.compile(r"^Making the environment"), "package installer"),
    (re.compile(r"kubernetes: \S+ from (?P<source>.*)"), "Kubernetes"),
    (re.compile(r"triton: \S+ from (?P<source>Python packages|cache)"), "Triton and its Python"),
    (re.compile(r"etcd: \S+ from (?P<source>.*)"), "etcd"),
    (re.compile(r"mongod: \S+ from (?P<source>.*)"), "MongoDB"),
    (re.compile(r"seaweedfs: \S+ from (?P<source>.*)"), "SeaweedFS"),
    (re.compile(rf"^{READY}"), "ready"),
)


class WalkError(Exception):
    """A step did not do what the README promises."""


@dataclass
class Walk:
    """One walk; `times` maps each step to the seconds from the first command to its end."""

    root: Root
    say: Callable[[str], None]
    times: dict[str, float] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Walks it from `make up` to the picture.

        Raises:
            WalkError: a step failed; the text ends with what was printed.
        """
        process = self.root.start("make up")
        ready = threading.Event()
        reader = threading.Thread(target=self._read, args=(process.stdout, ready))
        reader.start()
        try:
            if not ready.wait(START_SECONDS) or not self._is_ready():
                raise WalkError(f"`make up` did not come to {READY!r}:\n{self._tail()}")
            self._call()
        finally:
            process.kill()
            process.wait()
            reader.join()

    def _read(self, stream: object, ready: threading.Event) -> None:
        for line in stream or ():  # type: ignore[attr-defined]
            self._lines.append(line)
            self.say(line.rstrip())
            for pattern, step in STEPS:
                found = pattern.search(line)
                if found and step not in self.times:
                    source = found.groupdict().get("source")
                    self._done(f"{step}, {source}" if source else step)
            if self._is_ready():
                ready.set()
        ready.set()

    def _call(self) -> None:
        generate, poll = printed_calls("".join(self._lines))
        answer = self._ask(generate)
        if "jobId" not in answer:
            raise WalkError(f"the first call was answered {answer}")
        self._done("first call answered")
        end = time.monotonic() + JOB_SECONDS
        while True:
            job = self._ask(poll.replace("JOB_ID", str(answer["jobId"])))
            if job.get("status") == "succeeded":
                break
            if job.get("status") not in ("queued", "processing") or time.monotonic() > end:
                raise WalkError(f"the second call was answered {job}")
            time.sleep(POLL_SECONDS)
        answered = httpx.get(str(job["downloadUrl"]), timeout=60, trust_env=False)
        picture = Image.open(io.BytesIO(answered.raise_for_status().content))
        picture.load()
        self._done(f"picture of {picture.width} × {picture.height}")

    def _ask(self, call: str) -> dict[str, object]:
        output = self.root.run(call.replace("curl ", "curl -sS ", 1))
        try:
            answer = json.loads(output)
        except ValueError:
            raise WalkError(f"no JSON was answered:\n{output}") from None
        if not isinstance(answer, dict):
            raise WalkError(f"no object was answered: {answer}")
        return answer

    def _done(self, step: str) -> None:
        self.times.setdefault(step, time.monotonic() - self._began)

    def _is_ready(self) -> bool:
        return any(line.startswith(READY) for line in self._lines[-1:])

    def _tail(self) -> str:
        return "".join(self._lines[-30:])


def printed_calls(output: str) -> tuple[str, str]:
    """The two calls in what `make up` printed, ready for bash.

    Raises:
        WalkError: they are not there.
    """
    found = re.search(
        r"^1\. .*?\n\n(.*?)\n\n2\. .*?\n\n(.*?)\n\n", output, re.DOTALL | re.MULTILINE
    )
    if found is None:
        raise WalkError(f"the two calls were not printed:\n{output[-2000:]}")
    return found.group(1), found.group(2)
