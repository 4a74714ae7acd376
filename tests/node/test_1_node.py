"""The node itself: pods, probes, logs, exec, Services, names, volumes, and what it leaves."""

from __future__ import annotations

import httpx
from imagerift_node.images.build import image_name
from imagerift_node.layout import NODE_NAME, NodeAddresses
from imagerift_node.mounts import KERNEL_SETTINGS

from tests.node.node_under_test import NodeUnderTest, kernel_settings
from tests.node.pods import SERVE, pod, probe, service
from tests.platform_under_test import wait_until

NODE_PORT = 30080
ASK = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).status)"


def test_a_node_that_was_just_started_is_ready(node: NodeUnderTest) -> None:
    node.transcript.chapter("A node from nothing")
    assert f"{NODE_NAME}   Ready" in node.kubectl("get", "nodes", "-o", "wide")
    info = node.get("node", NODE_NAME)["status"]["nodeInfo"]
    assert info["kubeletVersion"] == node.server_version
    assert info["containerRuntimeVersion"].startswith("containerd://")


def test_images_are_built_and_loaded_without_a_container_engine(node: NodeUnderTest) -> None:
    node.transcript.chapter("Images")
    node.load("api")
    listed = node.enter("ctr", "--namespace=k8s.io", "images", "ls", "-q")
    assert image_name("api") in listed.split()


def test_a_pod_runs_without_rights_and_is_seen_by_logs_and_exec(node: NodeUnderTest) -> None:
    node.transcript.chapter("Pods, logs, exec, probes, Services")
    node.apply(pod("server", "print('hello from the pod', flush=True)\n" + SERVE))
    node.kubectl("wait", "--for=condition=Ready", "pod/server", "--timeout=180s")
    assert "hello from the pod" in node.kubectl("logs", "server")
    assert "uid=65532" in node.kubectl("exec", "server", "--", "id")
    refused = node.run("kubectl", "exec", "server", "--", "touch", "/etc/x", check=False)
    assert "Read-only file system" in refused.stderr
    node.kubectl("exec", "server", "--", "touch", "/scratch/x")


def test_services_reach_pods_by_name_and_from_outside(node: NodeUnderTest) -> None:
    node.apply(service("by-name", "server"), service("outside", "server", node_port=NODE_PORT))
    for address in ("http://by-name", "http://outside.default.svc.cluster.local"):
        printed = node.kubectl("exec", "server", "--", "python3", "-c", ASK, address)
        assert printed.strip() == "200"
    url = f"http://{NodeAddresses().node}:{NODE_PORT}/"

    def answers() -> bool:
        try:
            return httpx.get(url, trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, seconds=30, what=f"{url} answers this machine")
    unknown = node.run(
        *("kubectl", "exec", "server", "--", "python3", "-c", ASK, "http://nobody"), check=False
    )
    assert "Name or service not known" in unknown.stderr


def test_probes_decide_on_readiness_and_restarts(node: NodeUnderTest) -> None:
    sleep = "import time; time.sleep(3600)"
    node.apply(
        pod("unready", sleep, readinessProbe=probe("test -f /scratch/ready")),
        pod("unhealthy", sleep, livenessProbe=probe("test ! -f /scratch/sick")),
    )
    for name in ("unready", "unhealthy"):
        node.kubectl(
            "wait", "--for=jsonpath={.status.phase}=Running", f"pod/{name}", "--timeout=120s"
        )
    ready = node.quietly(
        *("kubectl", "wait", "--for=condition=Ready", "pod/unready", "--timeout=5s"), check=False
    )
    assert ready.returncode != 0
    node.kubectl("exec", "unready", "--", "touch", "/scratch/ready")
    node.kubectl("wait", "--for=condition=Ready", "pod/unready", "--timeout=60s")
    node.kubectl("exec", "unhealthy", "--", "touch", "/scratch/sick")

    def restarted() -> bool:
        statuses = node.get("pod", "unhealthy")["status"]["containerStatuses"]
        return bool(statuses[0]["restartCount"] > 0)

    wait_until(restarted, seconds=90, what="the sick container is restarted")


def test_a_pod_that_takes_too_much_memory_is_killed(node: NodeUnderTest) -> None:
    greedy = pod("greedy", "x = b'x' * 200_000_000", resources={"limits": {"memory": "64Mi"}})
    greedy["spec"]["restartPolicy"] = "Never"
    node.apply(greedy)

    def reason() -> str:
        statuses = node.get("pod", "greedy")["status"].get("containerStatuses") or [{}]
        return str(statuses[0].get("state", {}).get("terminated", {}).get("reason", ""))

    assert wait_until(reason, seconds=120, what="the pod ends") == "OOMKilled"
    node.kubectl("delete", "pod", "--all", "--wait=true")
    node.kubectl("delete", "service", "by-name", "outside")


def test_this_machine_keeps_its_own_settings(node: NodeUnderTest) -> None:
    inside = node.enter("cat", *(f"/proc/sys/{name}" for name in KERNEL_SETTINGS))
    assert inside.split() == [str(value) for value in KERNEL_SETTINGS.values()]
    assert kernel_settings() == node.kernel_settings
