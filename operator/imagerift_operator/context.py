"""Everything one operator process holds, made in one place and closed there."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Self

import structlog
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.ids import random_base62
from imagerift_core.job_pods import load_job_pods
from imagerift_core.kube import connect_kube
from imagerift_core.modes import load_modes
from imagerift_core.mongo import connect
from imagerift_core.plans import load_plans
from imagerift_core.s3 import open_store

from imagerift_operator.admission import HandMadeAdmission
from imagerift_operator.dispatcher import Dispatcher
from imagerift_operator.events import EventWriter
from imagerift_operator.janitor import Janitor, Patience
from imagerift_operator.job_feed import JobFeed
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.leadership import Leadership
from imagerift_operator.metrics import Metrics, serve_metrics
from imagerift_operator.pool_controller import PoolController
from imagerift_operator.pool_status import PoolReporter
from imagerift_operator.pools import JobPodLane, Pools
from imagerift_operator.queue_publisher import QueuePublisher
from imagerift_operator.queue_terms import PlanTerms
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.settings import OperatorSettings
from imagerift_operator.settler import Settler
from imagerift_operator.status_writer import StatusWriter
from imagerift_operator.wait_estimates import Pace
from imagerift_operator.waiting_reasons import WaitingReasons

log = structlog.get_logger(__name__)

LEASE_NAME = "imagerift-operator"


class OperatorContext:
    """The parts, wired. `failed` is set when a loop died that must never die."""

    def __init__(self, settings: OperatorSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._loops: list[asyncio.Task[None]] = []
        self.failed = asyncio.Event()
        self._handed_over = False
        self.feed: JobFeed
        self.pools: Pools
        self.dispatcher: Dispatcher
        self.leadership: Leadership

    async def __aenter__(self) -> Self:
        settings = self._settings
        enter = self._stack.enter_async_context
        database = await enter(
            connect(settings.mongo_url.get_secret_value(), settings.mongo_database)
        )
        store = await enter(open_store(settings))
        kube = await enter(connect_kube(settings.kubeconfig, settings.namespace))
        meter = await enter(serve_metrics(settings.operator_host, settings.operator_metrics_port))
        plans, modes = load_plans(settings.plans_file), load_modes(settings.modes_file)
        metrics, crash = Metrics(meter), CrashPoints(settings.crash_dir)
        scheduler = Scheduler()
        identity = f"{socket.gethostname()}-{os.getpid()}-{random_base62(8)}"
        events = EventWriter(kube.events, metrics, identity=identity)
        writer = StatusWriter(kube, metrics, crash, events)
        settler = Settler(database, metrics, group_size=settings.settle_group_size)
        self.leadership = Leadership(
            kube,
            name=LEASE_NAME,
            identity=identity,
            lease_seconds=settings.lease_seconds,
            on_change=self._leadership_changed,
        )
        job_pods = load_job_pods(settings.job_pods_file)
        pod_server = None
        if job_pods is not None:
            pod_server = JobPodServer(
                kube.runs(job_pods.namespace),
                job_pods,
                shard=settings.namespace,
                s3_origin=settings.s3_internal_origin,
            )
        lane = (
            JobPodLane(pod_server, AsyncExitStack(), job_pods.max_pods)
            if job_pods is not None and pod_server is not None
            else None
        )
        reporter = PoolReporter(kube, events, self.leadership)
        self.pools = Pools(reporter, modes, wake=self._wake, job_pods=lane)
        self._stack.push_async_callback(self.pools.close)
        pool_controller = PoolController(
            kube.workloads,
            self.pools,
            scheduler,
            self.leadership,
            s3_origin=settings.s3_internal_origin,
        )
        pace = Pace()
        self.dispatcher = Dispatcher(
            database=database,
            store=store,
            modes=modes,
            pools=self.pools,
            scheduler=scheduler,
            settler=settler,
            writer=writer,
            leadership=self.leadership,
            metrics=metrics,
            pace=pace,
            crash=crash,
            running_status_after=settings.running_status_after_seconds,
            pod_start_seconds=job_pods.start_seconds if job_pods else 0,
            answer_grace=settings.answer_grace_seconds,
        )
        self.feed = JobFeed(
            database=database,
            scheduler=scheduler,
            dispatcher=self.dispatcher,
            writer=writer,
            admission=HandMadeAdmission(
                database=database,
                store=store,
                kube=kube,
                plans=plans,
                modes=modes,
                has_job_pods=job_pods is not None,
            ),
            terms=PlanTerms(database, plans),
            leadership=self.leadership,
            ttl_override=settings.job_ttl_seconds,
        )
        janitor = Janitor(
            database=database,
            store=store,
            kube=kube,
            feed=self.feed,
            scheduler=scheduler,
            dispatcher=self.dispatcher,
            writer=writer,
            leadership=self.leadership,
            queue=QueuePublisher(
                database=database,
                scheduler=scheduler,
                dispatcher=self.dispatcher,
                pools=self.pools,
                pace=pace,
                waiting_reasons=WaitingReasons(scheduler, writer),
                namespace=settings.namespace,
            ),
            metrics=metrics,
            namespace=settings.namespace,
            patience=Patience(
                compare_every=settings.compare_seconds,
                record_grace=timedelta(seconds=settings.record_grace_seconds),
                bytes_grace=timedelta(seconds=settings.orphan_grace_seconds),
            ),
        )
        metrics.watch_bands(
            "imagerift_queue_jobs",
            "Jobs waiting, by band.",
            scheduler.depths,
            bands={plan.band for plan in plans.values()},
        )
        metrics.watch(
            "imagerift_in_flight_jobs", "Attempts running.", lambda: len(self.dispatcher.in_flight)
        )
        metrics.watch(
            "imagerift_set_aside_jobs",
            "Jobs whose end the store refuses.",
            lambda: len(self.dispatcher.set_aside),
        )
        metrics.watch("imagerift_leading", "1 on the leader.", lambda: self.leadership.leading)
        self._start(settler.run(), "settler")
        self._start(self.pools.run(), "pools")
        self._start(pool_controller.run(), "pool servers")
        if pod_server is not None:
            self._start(pod_server.run(lambda: self.leadership.leading), "job pods")
        self._start(self.dispatcher.run(), "dispatcher")
        self._start(events.run(), "events")
        self._start(writer.run(lambda: self.leadership.leading), "deletions")
        self._start(janitor.run(), "janitor")
        return self

    def follow(self) -> None:
        """Stands for election; called once the first listing was seen."""
        self._start(self.leadership.run(), "leadership")

    async def hand_over(self) -> None:
        """Starts nothing more, gives back what runs too long, and lets a standby lead."""
        if self._handed_over:
            return
        self._handed_over = True
        log.info("handing_over", in_flight=len(self.dispatcher.in_flight))
        await self.dispatcher.drain(self._settings.drain_seconds)
        await self.leadership.release()

    async def __aexit__(self, *_: object) -> None:
        await self.hand_over()
        await self.feed.close()
        for loop in reversed(self._loops):
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._stack.aclose()

    def _wake(self) -> None:
        self.dispatcher.wake()

    def _leadership_changed(self, leading: bool) -> None:
        if leading:
            self.feed.lead()
            self.dispatcher.wake()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._loop_ended)
        self._loops.append(task)

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("loop_died", loop=task.get_name(), exc_info=task.exception())
            self.failed.set()
