"""One ModelWeights on a real API server, with the operator's controller; the test plays kubelet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast
from unittest.mock import MagicMock

from imagerift_core.kube import Kube
from imagerift_core.kube_calls import words_of
from imagerift_core.resources import TritonPoolSpec
from imagerift_core.weights_download.report import Downloaded, Progress
from imagerift_core.weights_pods import WeightsPods
from imagerift_operator.pool_rules import PoolRules
from imagerift_operator.pools import Pool
from imagerift_operator.weights import SeenWeights, Weights
from imagerift_operator.weights_controller import WeightsController
from imagerift_operator.weights_downloads import WeightsDownloads
from imagerift_operator.weights_objects import WeightsObjects
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from tests.contract.kube.bodies import new_name
from tests.unit.operator.builders import isolation
from tests.unit.operator.member_cases import LEADS

SUM = "a" * 64
SPEC: dict[str, Any] = {
    "source": "hf://acme/sdxl@main",
    "acceptLicence": "openrail++",
    "storage": {"size": "1Gi"},
}
DONE = Downloaded(digest="sha256:1", bytes=7_000_000, files=3, licence="openrail++", revision="abc")
WRONG = Downloaded(error="ChecksumMismatch", message="a.onnx has another checksum.")
AWAY = Downloaded(error="Unavailable", message="The host answered 503.", again=True)


@dataclass
class World:
    """One ModelWeights of the test's, the operator's controller for it, and the kubelet's part."""

    api: client.ApiClient
    kube: Kube
    weights: Weights
    controller: WeightsController
    pools: list[Pool]
    events: MagicMock
    name: str
    # The namespace that the downloads' pods are in.
    pods_in: str

    @property
    def objects(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self.api)

    async def create(self, **spec: Any) -> None:
        given = {key: value for key, value in (SPEC | spec).items() if value is not None}
        made = {
            "apiVersion": "imagerift.dev/v1",
            "kind": "ModelWeights",
            "metadata": {"name": self.name},
            "spec": given,
        }
        await self.objects.create_namespaced_custom_object(*self.place, made)

    @property
    def place(self) -> tuple[str, str, str, str]:
        return ("imagerift.dev", "v1", self.kube.namespace, "modelweights")

    async def read(self) -> dict[str, Any] | None:
        try:
            found = await self.objects.get_namespaced_custom_object(*self.place, self.name)
        except ApiException as error:
            assert error.status == 404, words_of(error)
            return None
        return cast("dict[str, Any]", found)

    async def follow(self) -> SeenWeights | None:
        """Lets the operator look once, told by the watch what there is."""
        before = await self.read()
        if before is not None:
            self.weights.observe("MODIFIED", before)
        await self.controller.follow()
        after = await self.read()
        if after is None:
            return None
        self.weights.observe("MODIFIED", after)
        (seen,) = self.weights
        return seen

    async def until(self, holds: Callable[[SeenWeights | None], bool]) -> SeenWeights | None:
        async with asyncio.timeout(90):
            while not holds(seen := await self.follow()):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        return seen

    async def reaches(self, reason: str) -> SeenWeights:
        """Follows until Ready has this reason."""
        seen = await self.until(lambda now: now is not None and reason_of(now) == reason)
        assert seen is not None
        return seen

    async def jobs(self) -> list[str]:
        (seen,) = self.weights
        calls = self.kube.weights_objects(self.pods_in)
        return [job.name for job in await calls.downloads(objects_of(seen).selector)]

    async def pod(self, *, but: str | None = None) -> str:
        """The pod that the server's own controller makes for the Job."""
        async with asyncio.timeout(60):
            while not (names := [name for name in await self._pods() if name != but]):
                await asyncio.sleep(0.1)
                await self.follow()
        return names[0]

    async def _pods(self) -> list[str]:
        (seen,) = self.weights
        listed = await client.CoreV1Api(self.api).list_namespaced_pod(
            self.pods_in, label_selector=objects_of(seen).selector
        )
        return [str(pod.metadata.name) for pod in listed.items]

    async def runs(self, pod: str) -> None:
        await self._status(pod, {"phase": "Running", "podIP": "10.0.0.9"})

    async def ends(self, pod: str, report: Downloaded | None) -> None:
        good = report is not None and report.error is None
        ended = {
            "exitCode": 0 if good else 1,
            "message": report.model_dump_json(exclude_none=True) if report else "",
        }
        container = {
            "name": "download",
            "image": "weights:1",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": ended},
        }
        phase = "Succeeded" if good else "Failed"
        await self._status(pod, {"phase": phase, "containerStatuses": [container]})

    async def _status(self, pod: str, status: dict[str, Any]) -> None:
        core = client.CoreV1Api(self.api)
        await core.patch_namespaced_pod_status(pod, self.pods_in, {"status": status})

    async def is_ready(self, **spec: Any) -> SeenWeights:
        """Goes the whole way to weights that are Ready."""
        await self.create(**spec)
        await self.follow()
        await self.ends(await self.pod(), DONE)
        return await self.reaches("Ready")

    def name_them(self) -> None:
        template = {"image": "triton:1", "weights": [self.name]}
        spec = TritonPoolSpec.model_validate({"modes": ["style"], "template": template})
        self.pools.append(Pool("l4", "uid", 1, spec, {}))

    def told(self) -> list[tuple[str, str]]:
        """Kind and reason of the Events."""
        return [(call.args[1], call.args[2]) for call in self.events.tell.call_args_list]


def objects_of(seen: SeenWeights) -> WeightsObjects:
    assert seen.spec is not None
    return WeightsObjects(seen.name, seen.uid, seen.spec)


def reason_of(seen: SeenWeights) -> str | None:
    reason: str | None = seen.conditions.get("Ready", {}).get("reason")
    return reason


async def told_progress(_: str) -> Progress | None:
    return Progress(done=41, total=100)


def world_of(
    kube: Kube,
    api: client.ApiClient,
    rules: PoolRules,
    elsewhere: str | None = None,
    *,
    named: bool = False,
) -> World:
    """A world with job pods `elsewhere`, which name its weights where these are `named`."""
    name = new_name()
    weights, pools, events = Weights([name] if named else []), list[Pool](), MagicMock()
    places = {"Pool": kube.weights_objects(kube.namespace)}
    if elsewhere is not None:
        places["Pod"] = kube.weights_objects(elsewhere)
    downloads = WeightsDownloads(places, WeightsPods(image="weights:1"), rules, told_progress)
    controller = WeightsController(
        kube,
        weights,
        cast("Any", pools),
        downloads,
        LEADS,
        isolated=isolation(),
        events=events,
    )
    pods_in = elsewhere or kube.namespace
    return World(api, kube, weights, controller, pools, events, name, pods_in)


async def cleared(world: World) -> None:
    """The test's weights, without waiting for anybody's finalizer."""
    found = await world.read()
    if found is None:
        return
    no_finalizer: dict[str, Any] = {"metadata": {"finalizers": None}}
    merge = "application/merge-patch+json"
    await world.objects.patch_namespaced_custom_object(
        *world.place, world.name, no_finalizer, _content_type=merge
    )
    await gone(world.objects.delete_namespaced_custom_object(*world.place, world.name))


async def gone(deletion: Awaitable[Any]) -> None:
    try:
        await deletion
    except ApiException as error:
        assert error.status == 404, words_of(error)
