"""Pods that the tests of the node itself run, from the project's own API image."""

from __future__ import annotations

from typing import Any

from imagerift_node.images.build import image_name

USER = 65532
SERVE = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8000, bind='0.0.0.0')"


def pod(name: str, script: str, **container: Any) -> dict[str, Any]:
    """A pod that runs Python, as little privileged as the chart's."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "fsGroup": USER},
            "containers": [
                {
                    "name": "main",
                    "image": image_name("api"),
                    "imagePullPolicy": "Never",
                    "command": ["python3", "-uc", script],
                    "securityContext": {
                        "readOnlyRootFilesystem": True,
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "work", "mountPath": "/scratch"}],
                    "workingDir": "/scratch",
                    **container,
                }
            ],
            "volumes": [{"name": "work", "emptyDir": {}}],
        },
    }


def probe(command: str) -> dict[str, Any]:
    """A probe that runs a shell command each second."""
    return {
        "exec": {"command": ["sh", "-c", command]},
        "periodSeconds": 1,
        "failureThreshold": 1,
        "timeoutSeconds": 10,
    }


def service(name: str, target: str, *, node_port: int | None = None) -> dict[str, Any]:
    """A Service on port 80 of the pods labelled `target`."""
    port: dict[str, Any] = {"port": 80, "targetPort": 8000}
    if node_port is not None:
        port["nodePort"] = node_port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": "ClusterIP" if node_port is None else "NodePort",
            "selector": {"app": target},
            "ports": [port],
        },
    }
