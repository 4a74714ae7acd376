"""The parts of one operator process: made, wired, started and stopped here."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Self

import aiohttp
import structlog
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.kube_weights import WeightsCalls
from imagerift_core.loops import Loops
from imagerift_core.mongo.migrations import Presence, ReleaseTooOld

from imagerift_operator.admission import HandMadeAdmission
from imagerift_operator.claims import Claims
from imagerift_operator.delivered import Deliveries
from imagerift_operator.dependencies import Dependencies, opened_dependencies
from imagerift_operator.dispatcher import Dispatcher
from imagerift_operator.events import EventWriter
from imagerift_operator.job_pod_server import JobPodServer
from imagerift_operator.job_watch import JobWatch
from imagerift_operator.leadership import Leadership
from imagerift_operator.model_calls import ModelCalls
from imagerift_operator.outcomes import Outcomes
from imagerift_operator.plan_limits import PlanLimitsCache
from imagerift_operator.pod_reports import PodReports
from imagerift_operator.pool_controller import PoolController
from imagerift_operator.pool_figures import PoolFigures
from imagerift_operator.pool_status import PoolReporter
from imagerift_operator.pools import JobPodReplica, Pools
from imagerift_operator.progress import ProgressWatch
from imagerift_operator.queue_publisher import QueuePublisher
from imagerift_operator.settings import OperatorSettings
from imagerift_operator.settler import Settler
from imagerift_operator.slots import Slots
from imagerift_operator.status_writer import StatusWriter
from imagerift_operator.sweeps.charges import ChargeAudit
from imagerift_operator.sweeps.schedule import isolating, repeat
from imagerift_operator.sweeps.table import sweeps_of
from imagerift_operator.tenants.controller import TenantController
from imagerift_operator.tenants.parts import tenant_controller
from imagerift_operator.wait_estimates import Pace
from imagerift_operator.waiting_reasons import WaitingReasons
from imagerift_operator.weights import Weights
from imagerift_operator.weights_controller import WeightsController
from imagerift_operator.weights_downloads import WeightsDownloads
from imagerift_operator.weights_progress import ProgressAsker

log = structlog.get_logger(__name__)

ASK_AGAIN_SECONDS = 5.0


class OperatorContext:
    """Makes and starts the parts when it is entered."""

    def __init__(self, settings: OperatorSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._handed_over = False
        self._given: Dependencies
        self.job_watch: JobWatch
        self.pools: Pools
        self.weights: Weights
        self.dispatcher: Dispatcher
        self.tenants: TenantController | None = None

    @property
    def leadership(self) -> Leadership:
        return self._given.leadership

    @property
    def loops(self) -> Loops:
        return self._given.loops

    async def __aenter__(self) -> Self:
        """Each part is made from those above it; none knows of one below."""
        given = await self._stack.enter_async_context(opened_dependencies(self._settings))
        memory, leadership, settings = given.memory, given.leadership, given.settings
        stores, isolated, loops = given.stores, given.isolations.of, given.loops
        events = EventWriter(given.kube.events, given.metrics, identity=leadership.identity)
        writer = StatusWriter(
            given.kube,
            memory.index,
            given.metrics,
            given.crash,
            events,
            deletions=isolated("deletions"),
        )
        settler = Settler(stores.settlements, given.metrics, group_size=settings.settle_group_size)
        outcomes = Outcomes(
            jobs=stores.jobs,
            memory=memory,
            settler=settler,
            deliveries=Deliveries(given.store),
            writer=writer,
            metrics=given.metrics,
            crash=given.crash,
        )
        self.weights = Weights(given.job_pods.weights if given.job_pods else ())
        job_pods = _job_pod_server(given, writer, self.weights)
        reporter = PoolReporter(
            given.kube,
            events,
            leadership,
            isolated("pool reports"),
            loaded=given.metrics.loaded,
        )
        pools = Pools(
            reporter,
            given.modes,
            changed=memory.changed,
            isolated=isolated("pools"),
            rules=settings.pool_rules(),
            access=settings.model_access(),
            job_pods=_job_pod_replica(job_pods, given),
        )
        self._stack.push_async_callback(pools.close)
        pool_controller = PoolController(
            given.kube.workloads,
            pools,
            memory.scheduler,
            leadership,
            isolated("pool servers"),
            s3_origin=settings.s3_internal_origin,
            weights=self.weights,
        )
        http = await self._stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
        weights_controller = WeightsController(
            given.kube,
            self.weights,
            pools,
            WeightsDownloads(
                _places_of_weights(given),
                settings.weights_pods,
                settings.pool_rules(),
                ProgressAsker(http),
            ),
            leadership,
            isolated=isolated("weights"),
            events=events,
        )
        pool_controller.gate = settings.moderation_model
        pace = Pace()
        dispatcher = Dispatcher(
            memory=memory,
            pools=pools,
            leadership=leadership,
            claims=_claims(given),
            calls=_model_calls(given, writer),
            outcomes=outcomes,
            pace=pace,
        )
        job_watch = JobWatch(
            jobs=stores.jobs,
            memory=memory,
            writer=writer,
            admission=_admission(given),
            plan_limits=PlanLimitsCache(stores.workspaces, given.plans),
            leadership=leadership,
        )
        leadership.on_lead(job_watch.start_leading)
        reasons = WaitingReasons(memory.scheduler, writer, pools.lacks)
        queue = QueuePublisher(
            snapshots=stores.snapshots,
            memory=memory,
            pools=pools,
            pace=pace,
            waiting_reasons=reasons,
            modes=given.modes,
            namespace=settings.namespace,
        )
        charges = ChargeAudit(stores.audit, leadership)
        sweeps = sweeps_of(
            given,
            watch=job_watch,
            outcomes=outcomes,
            pools=pools,
            writer=writer,
            queue=queue,
            reasons=reasons,
        )
        looking = isolating(given.isolations, 1, ProgressWatch(memory.in_flight).look)
        self._given, self.job_watch, self.pools, self.dispatcher = (
            given,
            job_watch,
            pools,
            dispatcher,
        )
        _register_gauges(given, outcomes)
        charges.show(given.metrics)
        PoolFigures(pools, memory.scheduler, leadership).show(given.metrics)
        self.tenants = tenant_controller(given)
        if self.tenants is not None:
            loops.start("tenants", self.tenants.run)
        loops.start("catalogue", given.catalogue.run)
        loops.start("settler", settler.run)
        loops.start("pools", pools.run)
        loops.start("pool servers", pool_controller.run)
        loops.start("weights", weights_controller.run)
        if job_pods is not None:
            given.metrics.watch(
                "imagerift_job_pods_suspended",
                "Attempts whose Job waits in its queue.",
                lambda: job_pods.suspended,
            )
            loops.start("job pods", partial(job_pods.run, lambda: leadership.leading))
        loops.start("presence", Presence(given.migrations, leadership.identity, "operator").run)
        loops.start("dispatcher", dispatcher.run)
        loops.start("events", events.run)
        loops.start("deletions", partial(writer.run, lambda: leadership.leading))
        for sweep in (*sweeps, charges.sweep(), looking):
            loops.start(sweep.name, partial(repeat, sweep, leadership, loops))
        return self

    def follow(self) -> None:
        """Stands for election; called once the first listing was seen."""
        self.loops.start("leadership", self._lead)

    async def _lead(self) -> None:
        # Nothing is overdue or expired by a clock that was never compared with the store's.
        await self._given.clocks.follows.wait()
        await self._until_the_database_is_known()
        await self.leadership.run()

    async def _until_the_database_is_known(self) -> None:
        """Waits while the database has a form that this release cannot work on; then knows the
        plans and modes that were added."""
        while True:
            try:
                await self._given.migrations.check()
                await self._given.catalogue.refresh()
            except CapacityUnavailable as error:
                log.warning("database_not_known", error=str(error))
            except ReleaseTooOld as error:
                log.error("release_too_old", words=error.message)  # noqa: TRY400
            else:
                return
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def hand_over(self) -> None:
        """Starts no attempt more, queues again what runs too long, and releases the lease."""
        if self._handed_over:
            return
        self._handed_over = True
        log.info("handing_over", in_flight=len(self._given.memory.in_flight))
        await self.dispatcher.drain(self._settings.drain_seconds)
        await self.leadership.release()

    async def __aexit__(self, *_: object) -> None:
        await self.hand_over()
        await self.job_watch.close()
        await self.loops.close()
        await self._stack.aclose()


def _job_pod_server(
    given: Dependencies, writer: StatusWriter, weights: Weights
) -> JobPodServer | None:
    if given.job_pods is None:
        return None
    server = JobPodServer(
        given.kube.runs(given.job_pods.namespace),
        given.job_pods,
        given.isolations.of("job pods"),
        PodReports(given.stores.jobs, writer, given.metrics),
        shard=given.settings.namespace,
        s3_origin=given.settings.s3_internal_origin,
        gate=given.settings.moderation_model,
    )
    server.weights = partial(weights.mounted, given.job_pods.weights, execution="Pod")
    return server


def _job_pod_replica(server: JobPodServer | None, given: Dependencies) -> JobPodReplica | None:
    if server is None or given.job_pods is None:
        return None
    return JobPodReplica(server, AsyncExitStack(), Slots(given.job_pods.max_pods))


def _places_of_weights(given: Dependencies) -> dict[str, WeightsCalls]:
    """Where the volumes of weights lie, by what mounts them."""
    places = {"Pool": given.kube.weights_objects(given.settings.namespace)}
    if given.job_pods is not None:
        places["Pod"] = given.kube.weights_objects(given.job_pods.namespace)
    return places


def _claims(given: Dependencies) -> Claims:
    return Claims(
        given.stores.jobs,
        given.modes,
        given.leadership,
        given.metrics,
        given.crash,
        pod_start_seconds=given.job_pods.start_seconds if given.job_pods else 0,
    )


def _model_calls(given: Dependencies, writer: StatusWriter) -> ModelCalls:
    calls = ModelCalls(
        given.store,
        given.modes,
        writer,
        given.metrics,
        given.crash,
        running_status_after=given.settings.running_status_after_seconds,
        answer_grace=given.settings.answer_grace_seconds,
    )
    calls.gate = given.settings.moderation_model
    return calls


def _admission(given: Dependencies) -> HandMadeAdmission:
    return HandMadeAdmission(
        stores=given.stores,
        store=given.store,
        kube=given.kube,
        plans=given.plans,
        modes=given.catalogue.open_modes,
        has_job_pods=given.job_pods is not None,
    )


def _register_gauges(given: Dependencies, outcomes: Outcomes) -> None:
    """Registers the figures that are read when they are scraped."""
    metrics, memory, leadership = given.metrics, given.memory, given.leadership
    metrics.watch_bands(
        "imagerift_queue_jobs",
        "Jobs waiting, by band.",
        memory.scheduler.depths,
        bands={plan.band for plan in given.plans.values()},
    )
    metrics.watch("imagerift_in_flight_jobs", "Attempts running.", lambda: len(memory.in_flight))
    metrics.watch(
        "imagerift_set_aside_jobs", "Jobs whose end the store refuses.", lambda: outcomes.set_aside
    )
    metrics.watch("imagerift_leading", "1 on the leader.", lambda: leadership.leading)
