"""Jobs that diffusion draws several at once, beside the same jobs drawn one after the other.

On a pool of its own: the real Triton and diffusers with tiny weights, on the CPU. What a batch
gains depends on weights and machine; this shows what of it reaches whole jobs.
"""

from __future__ import annotations

import base64
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.adapters import Account, Adapters
from bench.jobs import whole_jobs
from tests.e2e.own_pool import own_pool

AT_ONCE = 4
# Of one length, and no two of them alike: what they ask for is not drawn together.
PRESETS = {
    name: {"steps": 60, "strength": 1.0, "edge": 128, "guidanceScale": 7 + number / 1000}
    for number, name in enumerate(("slow", "painted", "endless", "colossal"))
}


@dataclass(frozen=True)
class Drawn:
    """Jobs per second, `together` where up to `AT_ONCE` are drawn in one call, else `apart`."""

    together: float
    apart: float


async def drawn_jobs(
    adapters: Adapters, account: Account, photo: bytes, *, jobs: int, rounds: int
) -> Drawn:
    """Rounds of so many jobs each, `AT_ONCE` in flight, by turns of one kind and of the other."""
    apart = [_body(photo, preset) for preset in PRESETS]
    together = apart[:1]
    seconds = {"together": 0.0, "apart": 0.0}
    with (
        tempfile.TemporaryDirectory(prefix="imagerift-bench-") as folder,
        own_pool(adapters.platform, Path(folder), at_once=AT_ONCE, presets=PRESETS) as pool,
    ):
        pool.block()
        await whole_jobs(adapters, account, together, in_flight=AT_ONCE, jobs=AT_ONCE)
        for _ in range(rounds):
            for kind, bodies in (("together", together), ("apart", apart)):
                rate = await whole_jobs(adapters, account, bodies, in_flight=AT_ONCE, jobs=jobs)
                seconds[kind] += jobs / rate
    done = jobs * rounds
    return Drawn(**{kind: round(done / taken, 3) for kind, taken in seconds.items()})


def _body(photo: bytes, preset: str) -> bytes:
    body = {
        "mode": "redraw",
        "preset": preset,
        "imageBase64": base64.b64encode(photo).decode(),
        "prompt": "a mug",
    }
    return json.dumps(body).encode()
