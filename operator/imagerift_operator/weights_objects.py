"""The Kubernetes objects of weights, as plain documents, and how pods mount them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from imagerift_core.kube_weights import OWNER_LABEL
from imagerift_core.manifest_part import units_of
from imagerift_core.model_weights import ModelWeightsSpec, WeightsStorage
from imagerift_core.pod_fields import WEIGHTS_FOLDER
from imagerift_core.pod_volumes import WEIGHTS_VOLUME
from imagerift_core.resources import GROUP, VERSION
from imagerift_core.weights_download.report import PORT, DownloadRequest
from imagerift_core.weights_pods import WeightsPods

from imagerift_operator.pod_parts import CONTAINER_SECURITY, pod_metadata, variable, with_fields

_LONGEST = 40
_SECRET = "/etc/imagerift/weights-secret"  # noqa: S105 - a folder
_REQUEST = "IMAGERIFT_WEIGHTS_REQUEST"
# A download that takes longer is begun anew; what has arrived stays.
_LONGEST_SECONDS = 86_400
# Of a Job that has ended; then one that failed for good is tried once more.
_KEPT_SECONDS = 86_400
_POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


@dataclass(frozen=True)
class WeightsObjects:
    """What is made for the ModelWeights of this name and uid."""

    name: str
    uid: str
    spec: ModelWeightsSpec

    @property
    def claim_name(self) -> str:
        """The PersistentVolumeClaim that holds them: their own, or the one that is given."""
        given = self.spec.claim
        return given.name if given is not None else f"{self._base}-weights"

    @property
    def job_name(self) -> str:
        """The Job for this very spec: another spec is downloaded by another Job."""
        text = orjson.dumps(self.spec.manifest(), option=orjson.OPT_SORT_KEYS)
        return f"{self._base}-{_digest(text)}"

    @property
    def selector(self) -> str:
        """The label selector of their Jobs and pods, in kubectl's spelling."""
        return f"{OWNER_LABEL}={self.uid}"

    @property
    def is_owned(self) -> bool:
        """Whether what is made lies in their namespace, and goes with them."""
        return self.spec.execution == "Pool"

    @property
    def _base(self) -> str:
        """The name as Jobs and labels take it; where shards share a namespace, this one's own."""
        fits = len(self.name) <= _LONGEST and "." not in self.name
        if fits and self.is_owned:
            return self.name
        cut = self.name[: _LONGEST - 9].replace(".", "-").rstrip("-")
        return f"{cut}-{_digest(f'{self.name}/{self.uid}'.encode())}"

    @property
    def _labels(self) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": "imagerift-weights",
            "app.kubernetes.io/part-of": "imagerift",
            "app.kubernetes.io/managed-by": "imagerift-operator",
            f"{GROUP}/weights": self._base,
            OWNER_LABEL: self.uid,
        }

    def claim(self, wanted: WeightsStorage) -> dict[str, Any]:
        """The claim that they are downloaded to."""
        storage: dict[str, Any] = {
            "accessModes": [wanted.access_mode],
            "resources": {"requests": {"storage": wanted.size}},
        }
        if wanted.storage_class_name is not None:
            storage["storageClassName"] = wanted.storage_class_name
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": self._metadata(self.claim_name),
            "spec": storage,
        }

    def download_job(self, pods: WeightsPods) -> dict[str, Any]:
        """The Job that downloads them, or looks through a claim that is given.

        It is never retried by Kubernetes: the operator knows from its report whether that may
        help.
        """
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": self._metadata(self.job_name),
            "spec": {
                "backoffLimit": 0,
                "completions": 1,
                "parallelism": 1,
                "activeDeadlineSeconds": _LONGEST_SECONDS,
                "ttlSecondsAfterFinished": _KEPT_SECONDS,
                "template": {
                    "metadata": pod_metadata(self._labels, pods),
                    "spec": with_fields(self._pod_spec(pods), pods, {OWNER_LABEL: self.uid}),
                },
            },
        }

    def volume(self, number: int) -> dict[str, Any]:
        """Their volume in a pod that names them as its `number`th."""
        if self.spec.scheme == "oci":
            source: dict[str, Any] = {
                "image": {"reference": self.spec.place, "pullPolicy": "IfNotPresent"}
            }
        else:
            source = {
                "persistentVolumeClaim": {"claimName": self.claim_name, "readOnly": True},
            }
        return {"name": f"{WEIGHTS_VOLUME}{number}", **source}

    def mount(self, number: int) -> dict[str, Any]:
        """Where a container finds them: at `/weights/NAME`, read-only."""
        mounted: dict[str, Any] = {
            "name": f"{WEIGHTS_VOLUME}{number}",
            "mountPath": f"{WEIGHTS_FOLDER}/{self.name}",
            "readOnly": True,
        }
        given = self.spec.claim
        folder = given.path if given is not None else self.spec.fingerprint
        if self.spec.scheme == "oci" or not folder:
            return mounted
        return mounted | {"subPath": folder}

    def image_volume_job(self) -> dict[str, Any]:
        """A Job that is never made: only a server that has image volumes would take it."""
        container = {
            "name": "none",
            "image": self.spec.place,
            "volumeMounts": [self.mount(0)],
            "securityContext": CONTAINER_SECURITY,
        }
        pod = {
            "restartPolicy": "Never",
            "containers": [container],
            "securityContext": _POD_SECURITY,
            "volumes": [self.volume(0)],
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": f"{self.job_name}-probe"},
            "spec": {"template": {"spec": pod}},
        }

    def _metadata(self, own: str) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": own, "labels": self._labels}
        if self.is_owned:
            metadata["ownerReferences"] = [
                {
                    "apiVersion": f"{GROUP}/{VERSION}",
                    "kind": "ModelWeights",
                    "name": self.name,
                    "uid": self.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ]
        return metadata

    def _pod_spec(self, pods: WeightsPods) -> dict[str, Any]:
        given = self.spec.claim is not None
        held = {"claimName": self.claim_name, "readOnly": given}
        volumes: list[dict[str, Any]] = [
            {"name": "weights", "persistentVolumeClaim": held},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ]
        if self.spec.secret_name is not None:
            volumes.append({"name": "secret", "secret": {"secretName": self.spec.secret_name}})
        security: dict[str, Any] = dict(_POD_SECURITY)
        if pods.fs_group is not None:
            security |= {"fsGroup": pods.fs_group, "fsGroupChangePolicy": "OnRootMismatch"}
        optional = {
            "imagePullSecrets": [{"name": secret} for secret in pods.image_pull_secrets],
            "nodeSelector": pods.node_selector,
            "tolerations": [toleration.manifest() for toleration in pods.tolerations],
            "priorityClassName": pods.priority_class_name,
        }
        return {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": security,
            "containers": [self._container(pods)],
            "volumes": volumes,
        } | {field: value for field, value in optional.items() if value}

    def _container(self, pods: WeightsPods) -> dict[str, Any]:
        given, storage = self.spec.claim, self.spec.storage
        request = DownloadRequest(
            spec=self.spec,
            folder=(given.path or ".") if given is not None else self.spec.fingerprint,
            limit_bytes=units_of(storage.size) if storage is not None else 0,
        )
        mounts: list[dict[str, Any]] = [
            {"name": "weights", "mountPath": WEIGHTS_FOLDER, "readOnly": given is not None},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container
        ]
        if self.spec.secret_name is not None:
            mounts.append({"name": "secret", "mountPath": _SECRET, "readOnly": True})
        # The operator's own comes last, and wins.
        asked = {_REQUEST: request.model_dump_json(by_alias=True, exclude_none=True)}
        env = {one.name: variable(one) for one in pods.env}
        env |= {name: {"name": name, "value": value} for name, value in asked.items()}
        container: dict[str, Any] = {
            "name": "download",
            "image": pods.image,
            "command": ["python3", "-m", "imagerift_core.weights_download"],
            "env": list(env.values()),
            "ports": [{"name": "progress", "containerPort": PORT, "protocol": "TCP"}],
            "terminationMessagePolicy": "File",
            "securityContext": CONTAINER_SECURITY,
            "volumeMounts": mounts,
        }
        if pods.image_pull_policy is not None:
            container["imagePullPolicy"] = pods.image_pull_policy
        amounts = {kind: given for kind, given in pods.resources.manifest().items() if given}
        return container | ({"resources": amounts} if amounts else {})


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:8]
