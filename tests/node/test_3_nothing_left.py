"""Last of all: an uninstalled release leaves its data, and a stopped node leaves nothing."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil
from imagerift_node.cgroups import hierarchies

from tests.node.node_under_test import NodeUnderTest, kernel_settings
from tests.node.release import NAMESPACE, RELEASE, Release
from tests.platform_under_test import wait_until


def test_uninstalling_leaves_the_data_and_nothing_that_runs(release: Release) -> None:
    node = release.node
    node.transcript.chapter("helm uninstall")
    node.helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "180s")

    def gone() -> bool:
        pods = node.get("-n", NAMESPACE, "pods")["items"]
        # What `helm test` has run stays until it is run again.
        return all(pod["status"]["phase"] == "Succeeded" for pod in pods)

    wait_until(gone, seconds=180, what="the pods are gone")
    claims = node.get("-n", NAMESPACE, "persistentvolumeclaims")["items"]
    assert len(claims) == 2
    node.kubectl("-n", NAMESPACE, "get", "pvc,secret")


def test_a_stopped_node_leaves_no_process_mount_link_or_group(node: NodeUnderTest) -> None:
    node.transcript.chapter("Stop")
    node.stop()
    data = str(node.data.root)
    assert [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if data in " ".join(process.info["cmdline"] or ())
    ] == []
    assert data not in Path("/proc/self/mountinfo").read_text()
    assert node.data.link not in {name for _, name in socket.if_nameindex()}
    groups = hierarchies(Path("/proc/mounts").read_text())
    assert groups
    assert [place for place, _, _ in groups.values() if (place / node.data.cgroup).exists()] == []
    assert not Path("/var/lib/kubelet").exists()
    assert kernel_settings() == node.kernel_settings
