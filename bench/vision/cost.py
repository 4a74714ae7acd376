"""What a picture costs: seconds per mode and size, where they go, and the memory of each Triton
process.

    make bench-cost ARGS="--sizes base 4k"

Starts the product's own model repository in a real Triton beside a store on the loopback, sends
REQUEST documents one after another, and reads Triton's statistics and the kernel's accounts.
`cpu` are the CPU seconds of all of the server's processes, which a busy machine distorts less than
`seconds`, the time that passed. `models` are the seconds that the mode's model computed; `outside`
is the share of all the rest: fetch, decode, the calls between models and to the server (`calls`),
encode and upload.
"""

import argparse
import io
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# The tests' server and store: the same ones that prove the models right.
sys.path[:0] = [str(ROOT / "tests" / "integration" / "triton"), str(ROOT / "tests/unit/vision")]

import origin as store  # noqa: E402
import psutil  # noqa: E402
from imagerift_contract.values import CONTENT_TYPES  # noqa: E402
from PIL import Image  # noqa: E402
from process_memory import forget_peaks, memory_of  # noqa: E402
from triton_server import Triton, run  # noqa: E402

PHOTO = ROOT / "docs" / "images" / "sample.jpg"
PORTRAIT = ROOT / "docs" / "images" / "portrait.jpg"
REPOSITORY = ROOT / "triton_models" / "repository"
CASES: tuple[tuple[str, str | None, Path], ...] = (
    ("style", "studio", PHOTO),
    ("style", "oil", PHOTO),
    ("avatar", "anime", PORTRAIT),
    ("avatar", "cartoon3d", PORTRAIT),
    ("avatar", "oilpaint", PORTRAIT),
    ("enhance", None, PHOTO),
)
SIZES = ("base", "2k", "4k")
# The project's own promises.
MOST_OUTSIDE_SHARE = 0.15
MOST_MEMORY_MB = 2048
# `generate` computes nothing of its own but what counts as outside.
OUTSIDE = frozenset({"generate", "control"})
STAGES = ("fetch", "decode", "encode", "upload")
PROCESSES = ("tritonserver", "generate", "style", "avatar", "enhance", "control")
TIMES = "{:<17} {:<4} {:>7} {:>6} {:>7} {:>6} {:>6} {:>6} {:>6} {:>6} {:>7}"
PEAKS = " {:>8}" * len(PROCESSES) + " {:>7}"


@dataclass(frozen=True)
class Sample:
    """One measured job."""

    seconds: float
    cpu: float
    """CPU seconds, user and system, of all of the server's processes."""
    in_models: float
    metrics: dict[str, float]

    @property
    def calls(self) -> float:
        """Seconds between client, server and models: neither a model's nor a stage's."""
        stages = sum(self.metrics[f"{stage}Ms"] for stage in STAGES) / 1000
        return max(0.0, self.seconds - self.in_models - stages)

    @property
    def outside_share(self) -> float:
        """Share of the time that no mode's model was computing."""
        return max(0.0, 1 - self.in_models / self.seconds)


def measure(triton: Triton, origin: Any, case: tuple[str, str | None, Path], size: str) -> Sample:
    """Run one job of one picture. Raises RuntimeError when it fails."""
    mode, preset, photo = case
    origin.forget()
    request = {
        "attemptId": f"bench-{time.monotonic_ns()}/1",
        "secondsLeft": 600,
        "source": {"url": origin.give("photo", _fresh(photo))},
        "mode": mode,
        "preset": preset,
        "prompt": "",
        "seed": time.monotonic_ns() % 2**32,
        "variations": 1,
        "exportSize": size,
        "outputAspect": "1:1",
        "outputFormat": "png",
        "targets": [{"index": 0, "url": origin.target("0"), "contentType": CONTENT_TYPES["png"]}],
        "traceparent": None,
    }
    before, used = _in_models(triton), _cpu(triton.pid)
    started = time.perf_counter()
    result = triton.generate(request)
    seconds = time.perf_counter() - started
    used = _cpu(triton.pid) - used
    if result["error"] is not None:
        raise RuntimeError(f"{mode} {preset} {size}: {result['error']['code']}")
    return Sample(seconds, used, _in_models(triton) - before, result["metrics"])


def _fresh(photo: Path) -> bytes:
    """The photo with one pixel of its own: no model can answer from what it kept of another."""
    image = Image.open(photo).convert("RGB")
    image.putpixel((0, 0), tuple(time.monotonic_ns().to_bytes(8, "little")[:3]))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def _in_models(triton: Triton) -> float:
    return sum(seconds for name, seconds in triton.compute_seconds().items() if name not in OUTSIDE)


def _cpu(server: int) -> float:
    """CPU seconds of the server and of its processes, those that have ended with them."""
    root = psutil.Process(server)
    family = [root, *root.children(recursive=True)]
    return sum(sum(process.cpu_times()[:4]) for process in family)


def main() -> int:
    """Print the tables; return 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models-python", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--modes", nargs="+", choices=sorted({case[0] for case in CASES}))
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    cases = [case for case in CASES if not options.modes or case[0] in options.modes]
    kept = True
    with (
        tempfile.TemporaryDirectory() as folder,
        store.serve() as origin,
        run(options.models_python, origin.url, Path(folder), [REPOSITORY]) as triton,
    ):
        sys.stdout.write(_headline())
        for case in cases:
            # The first job of a process pays for pages and caches.
            measure(triton, origin, case, "base")
            for size in options.sizes:
                forget_peaks(triton.pid)
                repeats = options.repeat if size == "base" else 1
                samples = [measure(triton, origin, case, size) for _ in range(repeats)]
                sample = sorted(samples, key=lambda one: one.seconds)[len(samples) // 2]
                share = statistics.median(one.outside_share for one in samples)
                *peaks, held = _memory(triton.pid)
                _print(case, size, sample, share, (*peaks, held))
                if case[0] == "style" and size == "base":
                    kept = kept and share <= MOST_OUTSIDE_SHARE
                kept = kept and held < MOST_MEMORY_MB
        sys.stdout.write("\nafter the last job, MB\n")
        processes = memory_of(triton.pid)
        for process in processes:
            sys.stdout.write(f"{process.name:<13} {process.held:>6.0f}\n")
        sys.stdout.write(f"{'all':<13} {sum(process.held for process in processes):>6.0f}\n")
    return 0 if kept else 1


def _memory(server: int) -> list[float]:
    """Peak MB by model, the larger one where it has several processes; then MB of all now."""
    found = memory_of(server)
    peaks = [max((p.peak for p in found if p.name == name), default=0.0) for name in PROCESSES]
    return [*peaks, sum(process.held for process in found)]


def _headline() -> str:
    times = TIMES.format(
        "mode", "size", "seconds", "cpu", "models", "fetch", "decode", "calls", "encode", "upload",
        "outside",
    )  # fmt: skip
    peaks = PEAKS.format("server", *PROCESSES[1:], "all")
    width = len(times)
    return f"{'':{width}}   peak MB of each process, and MB of all after the job\n{times}{peaks}\n"


def _print(
    case: tuple[str, str | None, Path],
    size: str,
    sample: Sample,
    share: float,
    memory: tuple[float, ...],
) -> None:
    mode, preset, _ = case
    stage = {name: f"{sample.metrics[f'{name}Ms'] / 1000:.3f}" for name in STAGES}
    times = TIMES.format(
        f"{mode} {preset or ''}".strip(),
        size,
        f"{sample.seconds:.2f}",
        f"{sample.cpu:.2f}",
        f"{sample.in_models:.2f}",
        stage["fetch"],
        stage["decode"],
        f"{sample.calls:.3f}",
        stage["encode"],
        stage["upload"],
        f"{share:.1%}",
    )
    sys.stdout.write(times + PEAKS.format(*(f"{megabytes:.0f}" for megabytes in memory)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
