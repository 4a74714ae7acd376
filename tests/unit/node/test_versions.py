"""The node's flags and settings by version, against what each version of Kubernetes knows.

The windows are those of the upstream change logs: a program that is given a flag or a field from
outside its window does not start.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imagerift_local import parts
from imagerift_local.ports import Ports
from imagerift_node import programs
from imagerift_node.certificates import NodePki, ensure_node_pki
from imagerift_node.cgroups import has_version_1
from imagerift_node.kubernetes import KUBERNETES, NEWEST
from imagerift_node.layout import NodeAddresses, NodeFolder

ADDRESSES = NodeAddresses()
VERSIONS = [(1, minor) for minor in range(KUBERNETES.oldest[1], NEWEST[1] + 1)]
EVER = ((1, 0), (1, 99))
# Windows that are not all of Kubernetes' life, first and last version with the flag or the field.
FLAG_WINDOWS = {
    ("kubelet", "--container-runtime"): ((1, 0), (1, 26)),
    ("kube-scheduler", "--port"): ((1, 0), (1, 23)),
    ("kube-controller-manager", "--port"): ((1, 0), (1, 23)),
    ("kube-apiserver", "--insecure-port"): ((1, 0), (1, 23)),
}
FIELD_WINDOWS = {
    "containerRuntimeEndpoint": ((1, 27), (1, 99)),
    "failCgroupV1": ((1, 31), (1, 99)),
}
# Without these a program of that version does not do what the node needs.
NEEDED_FLAGS = {
    ("kubelet", "--container-runtime"): ((1, 20), (1, 23)),
    ("kubelet", "--container-runtime-endpoint"): ((1, 20), (1, 26)),
    ("kube-scheduler", "--port"): ((1, 20), (1, 22)),
    ("kube-controller-manager", "--port"): ((1, 20), (1, 22)),
}
CONTROLLERS_OF_120 = {
    *("nodeipam", "nodelifecycle", "attachdetach", "persistentvolume-expander", "ttl"),
    *("route", "service", "cloud-node-lifecycle"),
}

MOUNTS_1 = "cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,memory 0 0\n"
MOUNTS_MIXED = MOUNTS_1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0\n"
MOUNTS_2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate,memory_recursiveprot 0 0\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> NodeFolder:
    folder = NodeFolder(tmp_path_factory.mktemp("node"))
    folder.create()
    return folder


@pytest.fixture(scope="module")
def pki(data: NodeFolder) -> NodePki:
    return ensure_node_pki(data, ADDRESSES)


def commands(data: NodeFolder, pki: NodePki, version: tuple[int, ...]) -> dict[str, list[str]]:
    kubeconfig, ports = Path("k"), Ports()
    return {
        "kube-apiserver": programs.build_apiserver_command(Path("a"), ports, pki, ADDRESSES),
        "kube-controller-manager": parts.build_controller_manager_command(
            Path("c"),
            version,
            unused=("ttl",),
            kubeconfig=kubeconfig,
            ports=ports,
            pki=pki.control_plane,
        ),
        "kube-scheduler": programs.build_scheduler_command(Path("s"), version, kubeconfig, pki),
        "kubelet": programs.build_kubelet_command(Path("k"), version, data, ADDRESSES, Path("f")),
        "kube-proxy": programs.build_proxy_command(Path("p"), Path("f")),
    }


def flags(data: NodeFolder, pki: NodePki, version: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    for program, command in commands(data, pki, version).items():
        for word in command[1:]:
            assert word.startswith("--"), word
            yield program, word.partition("=")[0]


def settings(
    data: NodeFolder, pki: NodePki, version: tuple[int, ...], *, cgroup_v1: bool = True
) -> dict[str, Any]:
    return programs.kubelet_settings(data, pki, ADDRESSES, version, cgroup_v1=cgroup_v1)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_program_is_given_a_flag_that_its_version_does_not_know(
    data: NodeFolder, pki: NodePki, version: tuple[int, ...]
) -> None:
    for flag in flags(data, pki, version):
        first, last = FLAG_WINDOWS.get(flag, EVER)
        assert first <= version <= last, flag


@pytest.mark.parametrize("version", VERSIONS)
def test_every_program_is_given_the_flags_that_its_version_needs(
    data: NodeFolder, pki: NodePki, version: tuple[int, ...]
) -> None:
    given = set(flags(data, pki, version))
    for flag, (first, last) in NEEDED_FLAGS.items():
        if first <= version <= last:
            assert flag in given


@pytest.mark.parametrize("version", VERSIONS)
def test_the_kubelet_is_given_no_field_that_its_version_does_not_know(
    data: NodeFolder, pki: NodePki, version: tuple[int, ...]
) -> None:
    found = settings(data, pki, version)
    for field in found:
        first, last = FIELD_WINDOWS.get(field, EVER)
        assert first <= version <= last, field
    assert found["apiVersion"] == "kubelet.config.k8s.io/v1beta1"
    assert settings(data, pki, version) == settings(data, pki, (*version, 7))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_kubelet_finds_containerd_by_a_flag_or_a_field(
    data: NodeFolder, pki: NodePki, version: tuple[int, ...]
) -> None:
    endpoint = "unix:///run/containerd/containerd.sock"
    by_flag = f"--container-runtime-endpoint={endpoint}" in commands(data, pki, version)["kubelet"]
    by_field = settings(data, pki, version).get("containerRuntimeEndpoint") == endpoint
    assert by_flag is not by_field


@pytest.mark.parametrize("version", VERSIONS)
def test_a_kubelet_that_would_refuse_cgroup_version_1_is_told_to_take_it(
    data: NodeFolder, pki: NodePki, version: tuple[int, ...]
) -> None:
    assert settings(data, pki, version).get("failCgroupV1", "unset") is (
        False if version >= (1, 31) else "unset"
    )
    assert "failCgroupV1" not in settings(data, pki, version, cgroup_v1=False)


@pytest.mark.parametrize(
    ("mounts", "old"), [(MOUNTS_1, True), (MOUNTS_MIXED, True), (MOUNTS_2, False)]
)
def test_the_version_of_the_machines_cgroups_is_known(mounts: str, old: bool) -> None:
    assert has_version_1(mounts) is old


def test_controllers_are_named_as_every_version_names_them() -> None:
    # Kubernetes 1.28 renamed them and keeps these names as aliases, which it never removes.
    assert {*parts.UNUSED_CONTROLLERS, *programs.UNUSED_CONTROLLERS} <= CONTROLLERS_OF_120
