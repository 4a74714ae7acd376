"""What a cluster of one node has from the start: storage, and the right to read names."""

from __future__ import annotations

from typing import Any

from imagerift_node.certificates import DNS_USER
from imagerift_node.layout import (
    NODE_NAME,
    STORAGE_CLASS,
    VOLUME_COUNT,
    VOLUME_SIZE,
    NodeFolder,
)


def base_objects(data: NodeFolder) -> list[dict[str, Any]]:
    """Objects that are applied at each start."""
    return [_names_rights(), _storage_class(), *_volumes(data)]


def _names_rights() -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": DNS_USER},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:kube-dns",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": DNS_USER}],
    }


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volumes(data: NodeFolder) -> list[dict[str, Any]]:
    volumes = []
    for number in range(VOLUME_COUNT):
        folder = data.volumes / str(number)
        folder.mkdir(exist_ok=True, mode=0o755)
        volumes.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"local-{number}"},
                "spec": {
                    "capacity": {"storage": VOLUME_SIZE},
                    "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain",
                    "storageClassName": STORAGE_CLASS,
                    # Unlike a hostPath, it is given to the pod's fsGroup.
                    "local": {"path": str(folder)},
                    "nodeAffinity": {
                        "required": {
                            "nodeSelectorTerms": [
                                {
                                    "matchExpressions": [
                                        {
                                            "key": "kubernetes.io/hostname",
                                            "operator": "In",
                                            "values": [NODE_NAME],
                                        }
                                    ]
                                }
                            ]
                        }
                    },
                },
            }
        )
    return volumes
