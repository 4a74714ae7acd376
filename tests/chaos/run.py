"""One run: jobs under disturbance, rest, and a look at everything that was said and is there."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from tests.chaos import final_state, hooks
from tests.chaos.checker import untruths
from tests.chaos.customers import Customer
from tests.chaos.deeds.bucket import allow, bucket_deeds
from tests.chaos.deeds.clocks import SetClock, clock_deeds
from tests.chaos.deeds.cluster import cluster_deeds, let_go, make_room
from tests.chaos.deeds.disks import disk_deeds, small_disks
from tests.chaos.deeds.processes import process_deeds
from tests.chaos.deeds.store import store_deeds
from tests.chaos.disturbance import Deed, Disturber, Keeper, Kept
from tests.chaos.history import FinalState, History
from tests.platform_under_test import CHECKOUT, PlatformUnderTest, wait_until
from tests.support.admission_webhook import refusing_webhook
from tests.support.own_shard import Shard, opened_shard
from tests.support.replica_set import ReplicaSet, moved_to

# One tenant may run one job at a time, and one has next to no quota.
PLANS = ("load", "load", "load", "narrow", "small")
OPERATOR = {"IMAGERIFT_LEASE_SECONDS": "4", "IMAGERIFT_COMPARE_SECONDS": "5"}
REST_SECONDS = 200
Store = Literal["one", "three", "arbiter"]
KINDS = ("processes", "store", "cluster", "bucket", "clocks", "disks")
# Beside them, where it is asked for: one API and one operator of a version to come.
VERSIONS = "versions"
# A number that both an operator and an API have, of which the other is of this version.
_NEWER = "1"
_NAMED = 10


@dataclass
class Findings:
    """Every broken promise, and what was looked at."""

    broken: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """`pause`: the least and the most seconds between two disturbances. `store`: the platform's own
    MongoDB, or a replica set. `kinds`: what is done to the parts."""

    seed: int
    jobs: int
    pause: tuple[float, float] = (0.2, 2.0)
    store: Store = "one"
    kinds: Sequence[str] = ("processes",)


def run(
    platform: PlatformUnderTest, folder: Path, options: Options, history: History | None = None
) -> Findings:
    """Runs mixed jobs of several tenants under disturbance, lets everything come to rest, and
    looks at what is there and at every answer that was given."""
    began = time.monotonic()
    history = history or History()
    with _opened(platform, folder, options, history) as scene:
        customers = scene.customers(options, history)
        deeds = list(scene.deeds([customer.tenant.workspace for customer in customers]))
        keeper = Keeper(scene.kept)
        disturber = Disturber(deeds, options.seed, options.pause)
        try:
            disturbing = disturber.start()
            threads = [customer.start() for customer in customers]
            for thread in threads:
                thread.join()
            disturber.stop()
            disturbing.join()
            disturbed = time.monotonic() - began
            scene.undo()
            no_rest = scene.wait_for_rest(customers)
        finally:
            disturber.stop()
            keeper.stop()
        state = final_state.read(scene.shard, [c.tenant.workspace for c in customers])
        differences = scene.shard.platform.admin("audit")["differences"]
    found = untruths(history.answers(), state)
    findings = Findings([str(untruth) for untruth in found[:_NAMED]], _figures(customers, state))
    findings.broken += [f"the audit finds {difference}" for difference in differences]
    findings.broken += [*no_rest, *filter(None, (customer.gave_up for customer in customers))]
    # A server whose disk is full may give up; ours may not.
    findings.broken += [
        f"{name} ended by itself" for name in keeper.ended if name.startswith(("api", "operator"))
    ]
    findings.figures |= {
        "seed": options.seed,
        "store": options.store,
        "answers": _answers(history),
        "untruths": len(found),
        "seconds disturbed": round(disturbed),
        "seconds in all": round(time.monotonic() - began),
        "disturbances": dict(sorted(disturber.done.items())),
        "disturbances that failed": disturber.broke,
        "ended by themselves": keeper.ended,
    }
    return findings


def _answers(history: History) -> dict[str, int]:
    counts = Counter(
        f"{answer.asked} {answer.code or answer.status or 'unanswered'}"
        for answer in history.answers()
    )
    return dict(sorted(counts.items()))


def _figures(customers: Sequence[Customer], state: FinalState) -> dict[str, Any]:
    return {
        "accepted": sum(len(customer.accepted) for customer in customers),
        "in doubt": sum(len(customer.doubted) for customer in customers),
        "unanswered": sum(customer.unanswered for customer in customers),
        "refused": dict(sum((c.refusals for c in customers), Counter())),
        "ended": dict(Counter(job.status for job in state.jobs.values())),
        "units charged": sum(state.ledger.values()),
        "outputs read back": len(state.bucket),
        "attempts": sum(job.attempt for job in state.jobs.values()),
        "jobs with more than one attempt": sum(job.attempt > 1 for job in state.jobs.values()),
    }


@dataclass
class Scene:
    """A shard with two operators and two APIs, and what its disturbances need."""

    platform: PlatformUnderTest
    shard: Shard
    stack: ExitStack
    kinds: Sequence[str]
    store: ReplicaSet | None
    clocks: dict[str, SetClock] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)

    def start(self, folder: Path) -> None:
        """Starts the processes, each with a wall clock of its own that can be set."""
        for name in ("operator-0", "operator-1", "api-0", "api-1"):
            more: dict[str, str] = {}
            if "clocks" in self.kinds:
                self.clocks[name] = SetClock(folder / f"{name}.clock")
                more = self.clocks[name].environment()
            if name.startswith("operator"):
                program = self.shard.operator(**OPERATOR, **more)
            else:
                program = self.shard.api(**more)
                self.urls.append(self.shard.api_url)
            if VERSIONS in self.kinds and name.endswith(_NEWER):
                program.command[2:2] = ["tests.support.newer_version"]
                program.end(signal.SIGKILL)
                program.start()

    @property
    def kept(self) -> list[Kept]:
        return [*self.shard.programs, *(self.store.members if self.store else [])]

    def customers(self, options: Options, history: History) -> list[Customer]:
        photo = base64.b64encode((CHECKOUT / "tests/data/small.jpg").read_bytes()).decode()
        hook = f"http://{self.shard.overrides['IMAGERIFT_WEBHOOK_ALLOWED_HOSTS']}/hook"
        customers = []
        for number, plan in enumerate(PLANS):
            http = self.stack.enter_context(httpx.Client(timeout=40, trust_env=False))
            share = options.jobs // len(PLANS) + (number < options.jobs % len(PLANS))
            tenant = self.shard.tenant(http, plan)
            own_seed = options.seed * 1000 + number
            customers.append(
                Customer(tenant, list(self.urls), own_seed, share, photo, hook, history)
            )
        return customers

    def deeds(self, workspaces: Sequence[str]) -> Iterator[Deed]:
        if "processes" in self.kinds:
            # The platform's own MongoDB is nobody's where there is a replica set.
            without = ("mongod", "mongo") if self.store else ()
            yield from process_deeds(self.shard, self.platform, without=without)
        if "store" in self.kinds and self.store:
            yield from store_deeds(self.store)
        if "disks" in self.kinds and self.store:
            yield from disk_deeds(self.store)
        if "cluster" in self.kinds:
            policy = self.stack.enter_context(refusing_webhook(self.platform, self.shard.namespace))
            yield from cluster_deeds(self.shard, policy)
        if "bucket" in self.kinds:
            yield from bucket_deeds(self.shard, workspaces)
        yield from clock_deeds(self.clocks)

    def undo(self) -> None:
        """What a deed could not undo because a part was away."""
        self.platform.wait_ready("etcd", "kube-apiserver", "seaweedfs", seconds=REST_SECONDS)
        if "cluster" in self.kinds:
            make_room(self.platform)
            let_go(self.shard)
        if "bucket" in self.kinds:
            allow(self.shard)

    def wait_for_rest(self, customers: Sequence[Customer]) -> list[str]:
        """Until every part answers again, every job has ended and every resource is gone.

        Returns what did not come to be: what was said and is there is looked at all the same.
        """
        try:
            self._rest(customers)
        except AssertionError as error:
            left = [(item["metadata"], item.get("status")) for item in self.shard.resources()]
            return [f"{error}; resources: {json.dumps(left)}"]
        return []

    def _rest(self, customers: Sequence[Customer]) -> None:
        self.platform.wait_ready(seconds=REST_SECONDS)
        wait_until(
            lambda: all(customer.poll_all() for customer in customers),
            seconds=REST_SECONDS,
            what="every accepted job has ended, and every doubt is settled",
        )

        # Also those whose acceptance nobody was told of.
        def ended() -> bool:
            live = {"status": {"$in": ["queued", "processing"]}}
            with self.shard.database() as database:
                return not database.jobs.count_documents({"namespace": self.shard.namespace} | live)

        wait_until(ended, seconds=REST_SECONDS, what="every record is terminal")
        gone = "every resource is gone"
        wait_until(lambda: not self.shard.resources(), seconds=REST_SECONDS, what=gone)


@contextmanager
def _opened(
    platform: PlatformUnderTest, folder: Path, options: Options, history: History
) -> Iterator[Scene]:
    with ExitStack() as stack:
        members = None
        seen = platform
        if options.store != "one":
            members = ReplicaSet(folder / "mongo", arbiter=options.store == "arbiter")
            if "disks" in options.kinds:
                stack.enter_context(small_disks([member.folder for member in members.members]))
            stack.callback(members.stop)
            members.start()
            seen = moved_to(members, platform)
        shard = stack.enter_context(opened_shard(seen, folder, through_mongo_link=members is None))
        hook = stack.enter_context(hooks.receiving(history))
        shard.overrides["IMAGERIFT_WEBHOOK_ALLOWED_HOSTS"] = hook
        scene = Scene(platform, shard, stack, options.kinds, members)
        scene.start(folder)
        yield scene
