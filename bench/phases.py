"""The phases of a run: each measures one kind of figure and its floor, and adds rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.adapters import Adapters, new_account
from bench.api import api_figures
from bench.cpu import read_cpu
from bench.deep_queue import Depths, deep_queue
from bench.direct import echo_calls, entry_calls
from bench.drawing import AT_ONCE, drawn_jobs
from bench.fairness import beside_attacks
from bench.figures import Row
from bench.jobs import photo_of, submit_body, whole_jobs
from bench.kubernetes import bare_writes, kubernetes_writes
from bench.latency import bare_steps, submit_to_done
from bench.steady import steady_stream
from tests.platform_under_test import CHECKOUT, PlatformUnderTest, wait_until

PAYLOAD_BYTES = 100_000
SMALL_BYTES = 10_000
SAMPLE = CHECKOUT / "docs" / "images" / "sample.jpg"
# Twice what runs at once, as 16 for the four instances of the 100 ms model is more than they take.
STYLE_IN_FLIGHT = 4
PROMPT = "cinematic product photo on a clean studio background"


@dataclass(frozen=True)
class Scale:
    """How much of each is measured."""

    in_flight: int = 64
    jobs: int = 1000
    warm_up: int = 200
    direct_seconds: float = 10
    bare_jobs: int = 400
    delay_jobs: int = 1200
    style_jobs: int = 40
    drawn_jobs: int = 12
    drawing_rounds: int = 3
    paced_jobs: int = 150
    step_times: int = 60
    api_seconds: float = 5
    queued: int = 10_000
    few: int = 1000
    rounds: int = 5
    round_jobs: int = 100
    steady_per_second: float = 50
    steady_seconds: float = 300
    pollers: int = 1000
    workspaces: int = 16
    honest_per_second: float = 4
    honest_jobs: int = 60
    to_the_end: bool = True
    """Whether deletions are waited for and the operator is restarted."""

    @classmethod
    def smoke(cls) -> Scale:
        """Enough to see that the code runs; its figures mean nothing."""
        return cls(
            in_flight=4,
            jobs=8,
            warm_up=1,
            direct_seconds=0.2,
            bare_jobs=4,
            delay_jobs=4,
            style_jobs=1,
            drawn_jobs=4,
            drawing_rounds=1,
            paced_jobs=3,
            step_times=2,
            api_seconds=0.2,
            queued=20,
            few=5,
            rounds=1,
            round_jobs=3,
            steady_per_second=2,
            steady_seconds=2,
            pollers=4,
            workspaces=2,
            honest_per_second=10,
            honest_jobs=3,
            to_the_end=False,
        )


@dataclass
class Report:
    rows: list[Row] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


Phase = Callable[[Adapters, Report, Scale], Awaitable[None]]


async def throughput(adapters: Adapters, report: Report, scale: Scale) -> None:
    """Whole no-op jobs beside direct calls and beside their Kubernetes writes alone."""
    platform, account = adapters.platform, new_account(adapters.platform)
    body = submit_body("noop", photo_of(PAYLOAD_BYTES))
    await whole_jobs(adapters, account, body, in_flight=scale.in_flight, jobs=scale.warm_up)
    if scale.to_the_end:
        all_deleted(platform)
    before, cpu = kubernetes_writes(platform), read_cpu(platform)
    rate = await whole_jobs(adapters, account, body, in_flight=scale.in_flight, jobs=scale.jobs)
    used = cpu.per_job(read_cpu(platform), scale.jobs)
    if scale.to_the_end:
        all_deleted(platform)
    after = kubernetes_writes(platform)
    writes = {verb: (after[verb] - before.get(verb, 0)) / scale.jobs for verb in sorted(after)}
    direct = await echo_calls(
        platform, workers=scale.in_flight, seconds=scale.direct_seconds, size=PAYLOAD_BYTES
    )
    bare = await bare_writes(platform, in_flight=scale.in_flight, jobs=scale.bare_jobs)
    jobs = {"jobs/s": round(rate, 1)}
    report.details["throughput"] = jobs | {
        "direct calls/s": round(direct, 1),
        "bare writes, jobs/s": round(bare, 1),
        "CPU ms a job": used | {"all": round(sum(used.values()), 1)},
        "Kubernetes writes a job": writes,
    }
    report.rows += [
        Row(
            f"no-op jobs, {scale.in_flight} in flight, as a share of direct calls",
            round(rate / direct, 4),
            0.03,
            "at least",
            jobs | {"direct/s": round(direct, 1)},
        ),
        Row(
            "the same against their Kubernetes writes alone",
            round(rate / bare, 3),
            0.25,
            "at least",
            jobs | {"bare/s": round(bare, 1)},
        ),
    ]


async def delay(adapters: Adapters, report: Report, scale: Scale) -> None:
    """A model that takes 100 ms, of which four run at once."""
    account, photo = new_account(adapters.platform), photo_of(PAYLOAD_BYTES)
    direct = await entry_calls(
        adapters, model="delay", mode="delay", photo=photo, workers=16, calls=scale.delay_jobs
    )
    body = submit_body("delay", photo)
    cpu = read_cpu(adapters.platform)
    rate = await whole_jobs(adapters, account, body, in_flight=16, jobs=scale.delay_jobs)
    used = cpu.per_job(read_cpu(adapters.platform), scale.delay_jobs)
    report.details["delay CPU ms a job"] = used | {"all": round(sum(used.values()), 1)}
    _share(report, "a 100 ms model, 4 instances, 16 in flight", rate, direct, 0.97)


async def style(adapters: Adapters, report: Report, scale: Scale) -> None:
    """The real pipeline of `style` at base size, of which two run at once."""
    account, photo = new_account(adapters.platform), SAMPLE.read_bytes()
    direct = await entry_calls(
        adapters,
        model="generate",
        mode="style",
        photo=photo,
        workers=STYLE_IN_FLIGHT,
        calls=scale.style_jobs,
        prompt=PROMPT,
    )
    body = submit_body("style", photo, PROMPT)
    rate = await whole_jobs(
        adapters, account, body, in_flight=STYLE_IN_FLIGHT, jobs=scale.style_jobs
    )
    name = f"style, base, {STYLE_IN_FLIGHT} in flight"
    _share(report, name, rate, direct, 0.96)


async def drawing(adapters: Adapters, report: Report, scale: Scale) -> None:
    """Jobs of a diffusion model that are drawn in one call, beside those that are not."""
    account = new_account(adapters.platform)
    found = await drawn_jobs(
        adapters,
        account,
        photo_of(PAYLOAD_BYTES),
        jobs=scale.drawn_jobs,
        rounds=scale.drawing_rounds,
    )
    report.details["drawing"] = asdict(found)
    report.rows.append(
        Row(
            f"diffusion, {AT_ONCE} jobs drawn in one call against one by one",
            round(found.together / found.apart, 2),
            1,
            "at least",
            {"jobs/s": found.together, "one by one": found.apart},
        )
    )


async def latency(adapters: Adapters, report: Report, scale: Scale) -> None:
    """Submit to done at 5 jobs/s beside the sum of its steps, each alone."""
    account, photo = new_account(adapters.platform), photo_of(PAYLOAD_BYTES)
    steps = await bare_steps(adapters, photo, times=scale.step_times)
    body = submit_body("noop", photo)
    if scale.to_the_end:
        all_deleted(adapters.platform)
    before = kubernetes_writes(adapters.platform)
    done = await submit_to_done(adapters, account, body, per_second=5, jobs=scale.paced_jobs)
    if scale.to_the_end:
        all_deleted(adapters.platform)
    after = kubernetes_writes(adapters.platform)
    writes = {
        verb: (after[verb] - before.get(verb, 0)) / scale.paced_jobs for verb in sorted(after)
    }
    total = round(sum(steps.values()), 2)
    report.details["latency"] = {"steps ms": steps, "submit to done ms": asdict(done)}
    report.rows += [
        Row(
            "submit to done at 5 jobs/s, p50, in sums of the bare steps",
            round(done.p50 / total, 2),
            4,
            "at most",
            {"p50 ms": done.p50, "p99 ms": done.p99, "steps ms": total},
        ),
        Row(
            "Kubernetes writes a job, jobs under 1 s",
            round(sum(writes.values()), 3),
            3,
            "at most",
            writes,
        ),
    ]


async def api(adapters: Adapters, report: Report, scale: Scale) -> None:
    """One API replica beside bare handlers."""
    account = new_account(adapters.platform)
    body = submit_body("noop", photo_of(PAYLOAD_BYTES))
    figures = await api_figures(adapters, account, body, clients=32, seconds=scale.api_seconds)
    report.details["api"] = figures.document()
    report.rows.append(
        Row(
            "polls as a share of one increment and one read",
            figures.poll_share,
            0.8,
            "at least",
            {
                "polls/s": figures.poll.per_second,
                "bare/s": figures.poll_store.per_second,
                "p50 ms": figures.poll.p50,
                "p99 ms": figures.poll.p99,
            },
        )
    )


async def queue(adapters: Adapters, report: Report, scale: Scale) -> None:
    """Many waiting jobs: drain, memory, restart."""
    account = new_account(adapters.platform)
    found = await deep_queue(
        adapters,
        account,
        photo_of(SMALL_BYTES),
        Depths(
            jobs=scale.queued,
            few=scale.few,
            rounds=scale.rounds,
            round_jobs=scale.round_jobs,
            restarts=scale.to_the_end,
        ),
    )
    report.details["queue"] = asdict(found)
    report.rows += [
        Row(
            f"drain rate with {found.jobs} queued against {scale.round_jobs}",
            round(found.drain / found.drain_of_few, 3),
            0.8,
            "at least",
            {
                "jobs/s": found.drain,
                f"with {scale.round_jobs}": found.drain_of_few,
                "first tenth": found.drain_first,
                "last tenth": found.drain_last,
            },
        ),
        Row("operator memory a queued job, KB", found.memory_kb_per_job, 8, "at most"),
    ]
    if found.restart is not None:
        report.rows.append(
            Row(
                f"restart over {found.jobs} resources to first dispatch, s",
                found.restart,
                15,
                "at most",
                {f"over {found.few}": found.restart_with_few},
            )
        )


async def steady(adapters: Adapters, report: Report, scale: Scale) -> None:
    """A stream of no-op jobs for minutes, with pollers beside it."""
    accounts = [new_account(adapters.platform) for _ in range(scale.workspaces)]
    found = await steady_stream(
        adapters,
        accounts,
        submit_body("noop", photo_of(PAYLOAD_BYTES)),
        per_second=scale.steady_per_second,
        seconds=scale.steady_seconds,
        pollers=scale.pollers,
    )
    report.details["steady"] = asdict(found)
    report.rows.append(
        Row(
            f"ended of {found.asked_per_second:g} jobs/s for {scale.steady_seconds:g} s, "
            f"{found.pollers} pollers of {found.workspaces} workspaces beside it",
            round(found.ended_per_second / found.asked_per_second, 3),
            0.95,
            "at least",
            {
                "jobs/s": found.ended_per_second,
                "p50 ms": found.submit_to_done.p50,
                "p99 ms": found.submit_to_done.p99,
                "polls/s": found.polls.per_second,
                "polls p50 ms": found.polls.p50,
                "polls p99 ms": found.polls.p99,
            },
        )
    )


def _share(report: Report, name: str, rate: float, direct: float, bound: float) -> None:
    beside = {"jobs/s": round(rate, 2), "direct/s": round(direct, 2)}
    report.details[name] = beside
    report.rows.append(
        Row(f"{name}: share of direct calls", round(rate / direct, 3), bound, "at least", beside)
    )


def all_deleted(platform: PlatformUnderTest) -> None:
    """Waits until the ended resources are gone."""
    wait_until(
        lambda: not platform.kubectl("get", "gj", "-o", "name").stdout,
        seconds=300,
        what="every resource is deleted",
    )


async def fairness(adapters: Adapters, report: Report, scale: Scale) -> None:
    """What a hostile workspace costs an honest one, for each kind of attack."""
    found = await beside_attacks(
        adapters, per_second=scale.honest_per_second, calls=scale.honest_jobs
    )
    report.details["fairness"] = {"p95 ms of a submit": found}
    alone = found.pop("alone")
    report.rows += [
        Row(
            f"p95 of a submit beside {name}, against alone",
            round(taken / alone, 2),
            2.0,
            "at most",
            {"ms": taken, "alone ms": alone},
        )
        for name, taken in found.items()
    ]


PHASES: dict[str, Phase] = {
    "throughput": throughput,
    "delay": delay,
    "style": style,
    "drawing": drawing,
    "latency": latency,
    "api": api,
    "fairness": fairness,
    "steady": steady,
    "queue": queue,
}
