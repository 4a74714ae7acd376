"""Looks at one ModelWeights in the cluster, and has it downloaded where it is not there."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from imagerift_core.clock import now
from imagerift_core.kube_calls import KubeRefused, words_of
from imagerift_core.kube_weights import DownloadSeen, WeightsCalls
from imagerift_core.weights_download.report import Downloaded, Progress
from imagerift_core.weights_pods import WeightsPods

from imagerift_operator.pool_rules import PoolRules
from imagerift_operator.weights import READY, SeenWeights
from imagerift_operator.weights_objects import WeightsObjects
from imagerift_operator.weights_status import Found, found_in, report_of, share

# What may end otherwise later is downloaded again after this; a pod that was lost, sooner.
AGAIN = timedelta(minutes=10)
LOST = timedelta(minutes=1)
# A server without image volumes may have been upgraded.
ASK_AGAIN_SECONDS = 60.0

# Asks a pod how far it is.
Ask = Callable[[str], Awaitable[Progress | None]]


class WeightsDownloads:
    """`places` are the calls on the namespace of each execution, of pools and of job pods."""

    def __init__(
        self,
        places: Mapping[str, WeightsCalls],
        pods: WeightsPods | None,
        rules: PoolRules,
        ask: Ask,
    ) -> None:
        self._places = places
        self._pods = pods
        self._rules = rules
        self._ask = ask
        # By namespace, and when the server was asked.
        self._image_volumes: dict[str, tuple[bool, float]] = {}

    async def found(self, weights: SeenWeights) -> Found:
        """How the weights stand, once what was missing for the next step is made."""
        spec = weights.spec
        if spec is None:
            return Found("Invalid", weights.fault or "The spec breaks a rule.")
        refusal = self._rules.refusal_of_weights(spec)
        if refusal is not None:
            return Found("NotAllowed", refusal)
        calls = self._places.get(spec.execution)
        if calls is None:
            return Found("NoJobPods", "spec.execution is Pod, and this installation has none.")
        objects = WeightsObjects(weights.name, weights.uid, spec)
        try:
            return await self._at(calls, weights, objects)
        except KubeRefused as error:
            return Found("ApplyRefused", f"The API server refuses it: {words_of(error)}")

    async def remove_from_elsewhere(self, weights: SeenWeights) -> None:
        """Deletes Jobs and volume in the namespace of job pods."""
        calls = self._places.get("Pod")
        if calls is None or weights.spec is None:
            return
        objects = WeightsObjects(weights.name, weights.uid, weights.spec)
        await _delete_jobs(calls, objects)
        held = await calls.claim(objects.claim_name)
        if held is not None and held.owner == weights.uid:
            await calls.delete_claim(objects.claim_name)

    async def _at(
        self, calls: WeightsCalls, weights: SeenWeights, objects: WeightsObjects
    ) -> Found:
        spec, name = objects.spec, objects.claim_name
        if spec.scheme == "oci":
            return await self._image(calls, objects)
        held = await calls.claim(name)
        if spec.claim is not None and held is None:
            return Found("NoClaim", f"There is no PersistentVolumeClaim {name}.")
        if spec.storage is not None and held is not None and held.owner != weights.uid:
            words = f"The PersistentVolumeClaim {name} is somebody else's; it is left alone."
            return Found("ClaimTaken", words)
        if held is not None and weights.ready:
            return as_before(weights)
        if self._pods is None:
            return Found("NoDownloader", "This installation names no image that downloads.")
        if spec.storage is not None and held is None:
            # What a Job has downloaded has gone with its volume.
            await _delete_jobs(calls, objects)
            await calls.create_claim(objects.claim(spec.storage))
        return await self._run(calls, objects, self._pods)

    async def _run(self, calls: WeightsCalls, objects: WeightsObjects, pods: WeightsPods) -> Found:
        """Has the one Job for this spec, and none for another: two would write to one volume."""
        own: DownloadSeen | None = None
        others = False
        for seen in await calls.downloads(objects.selector):
            if seen.name == objects.job_name and not seen.terminating:
                own = seen
                continue
            others = True
            if not seen.terminating:
                await calls.delete_job(seen.name)
        if others:
            return Found("Pending", "A download before this one is being ended.", waits=True)
        if own is None:
            await calls.create_job(objects.download_job(pods))
            return Found("Pending", "The download's pod is on its way.", waits=True)
        if _is_due_again(own):
            await calls.delete_job(own.name)
        found = found_in(own)
        if found.reason == "Downloading" and own.address is not None:
            progress = await self._ask(own.address)
            if progress is not None:
                found = replace(found, progress=share(progress))
        return found

    async def _image(self, calls: WeightsCalls, objects: WeightsObjects) -> Found:
        served, asked_at = self._image_volumes.get(calls.namespace, (False, float("-inf")))
        if not served and time.monotonic() - asked_at >= ASK_AGAIN_SECONDS:
            served = await calls.keeps_image_volume(objects.image_volume_job())
            self._image_volumes[calls.namespace] = (served, time.monotonic())
        if not served:
            words = "This cluster has no image volumes (Kubernetes 1.33 or later, ImageVolume)."
            return Found("NoImageVolumes", words)
        digest = objects.spec.place.rpartition("@")[2]
        report = Downloaded(digest=digest, licence=objects.spec.accept_licence)
        return Found("ByDigest", "Each node pulls the image by its digest.", report=report)


async def _delete_jobs(calls: WeightsCalls, objects: WeightsObjects) -> None:
    for seen in await calls.downloads(objects.selector):
        await calls.delete_job(seen.name)


def _is_due_again(seen: DownloadSeen) -> bool:
    """Whether a download that failed is to be begun again now."""
    if seen.failed_at is None:
        # One that succeeded without a report that can be read.
        return seen.succeeded and report_of(seen) is None
    report = report_of(seen)
    if report is None:
        return now() - seen.failed_at >= LOST
    return report.again and now() - seen.failed_at >= AGAIN


def as_before(weights: SeenWeights) -> Found:
    """What the status of ready weights says already."""
    said = weights.status
    report = Downloaded(
        digest=said.get("digest"),
        bytes=said.get("bytes"),
        files=said.get("files"),
        licence=said.get("licence"),
        revision=said.get("revision"),
    )
    downloaded = weights.conditions.get("Downloaded", {})
    return Found(downloaded.get("reason", READY), downloaded.get("message", ""), report=report)
