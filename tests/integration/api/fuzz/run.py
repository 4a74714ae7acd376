"""One run of schemathesis against an API, and what came of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.integration.api.fuzz.callers import FuzzCaller
from tests.integration.api.harness import Api

_HERE = Path(__file__).parent
_CHECKOUT = _HERE.parents[3]
SEED = "20261122"


@dataclass(frozen=True)
class Outcome:
    """How the program ended and what it said, and each operation's answers by status."""

    code: int
    output: str
    answers: dict[str, Counter[int]]

    @property
    def cases(self) -> int:
        return sum(sum(statuses.values()) for statuses in self.answers.values())

    @property
    def limited(self) -> float:
        """The share of answers that were 429."""
        return sum(statuses[429] for statuses in self.answers.values()) / self.cases

    def good(self, operation: str) -> int:
        statuses = self.answers.get(operation, Counter())
        return sum(count for status, count in statuses.items() if 200 <= status < 300)


async def operations_of(api: Api, caller: FuzzCaller) -> list[str]:
    """Those that the caller's credential opens, and those that are open to all."""
    document = (await api.call("GET", "/api/v1/openapi.json")).body
    scheme = {"key": "apiKey", "session": "session"}[caller.credential]
    return [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if not operation["security"] or any(scheme in way for way in operation["security"])
    ]


async def run_schemathesis(
    api: Api,
    caller: FuzzCaller,
    operations: list[str],
    folder: Path,
    *,
    supplier_url: str,
    examples: int,
    max_examples: int,
    phases: str = "examples,coverage,fuzzing,stateful",
) -> Outcome:
    """Every check; `examples` good requests of each operation come first."""
    answers = folder / f"answers-{caller.credential}.jsonl"
    credentials = {"token": caller.headers.get("Authorization", "").removeprefix("Bearer ")}
    if caller.browser is not None:
        credentials = {"cookie": caller.browser.cookie, "csrf": caller.browser.csrf}
    child = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        "--config-file",
        str(_HERE / "schemathesis.toml"),
        "run",
        f"{api.base_url}/api/v1/openapi.json",
        "--checks=all",
        f"--phases={phases}",
        f"--max-examples={max_examples}",
        f"--seed={SEED}",
        f"--header=Origin: {api.base_url}",
        "--generation-database=none",
        "--continue-on-failure",
        "--no-color",
        *(f"--include-operation-id={name}" for name in operations),
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(_CHECKOUT),
            "SCHEMATHESIS_HOOKS": "tests.integration.api.fuzz.hooks",
            "FUZZ_SUPPLIER": supplier_url,
            "FUZZ_CREDENTIALS": json.dumps(credentials),
            "FUZZ_ANSWERS": str(answers),
            "FUZZ_EXAMPLES": str(examples),
            "FUZZ_ORIGIN": api.base_url,
            "FUZZ_MYSELF": caller.browser.person if caller.browser is not None else "nobody",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await child.communicate()
    counted: dict[str, Counter[int]] = defaultdict(Counter)
    for line in answers.read_text().splitlines() if answers.exists() else []:
        answer = json.loads(line)
        counted[answer["operation"]][answer["status"]] += 1
    return Outcome(child.returncode or 0, output.decode(), dict(counted))
