"""What the node's programs are told."""

from __future__ import annotations

from pathlib import Path

from imagerift_local.ports import Ports
from imagerift_node.certificates import ensure_node_pki
from imagerift_node.cgroups import hierarchies
from imagerift_node.layout import NodeAddresses, NodeFolder
from imagerift_node.objects import base_objects
from imagerift_node.programs import (
    build_apiserver_command,
    build_scheduler_command,
    kubelet_settings,
    proxy_settings,
)

MOUNTS = """\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,xattr,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime,nsdelegate 0 0
cgroup /elsewhere/cpu cgroup rw,cpu 0 0
"""


def test_every_hierarchy_is_found_with_what_mounts_it_again() -> None:
    assert hierarchies(MOUNTS) == {
        "cpu,cpuacct": (Path("/sys/fs/cgroup/cpu,cpuacct"), "cgroup", "cpu,cpuacct"),
        "systemd": (Path("/sys/fs/cgroup/systemd"), "cgroup", "name=systemd"),
        "unified": (Path("/sys/fs/cgroup/unified"), "cgroup2", ""),
    }


def test_nobody_unknown_may_ask_the_kubelet(tmp_path: Path) -> None:
    data = NodeFolder(tmp_path)
    data.create()
    settings = kubelet_settings(
        data, ensure_node_pki(data, NodeAddresses()), NodeAddresses(), (1, 34), cgroup_v1=False
    )
    assert settings["authentication"]["anonymous"] == {"enabled": False}
    assert settings["authorization"] == {"mode": "Webhook"}
    assert settings["readOnlyPort"] == 0


def test_the_proxy_leaves_this_machines_connection_table_alone(tmp_path: Path) -> None:
    conntrack = proxy_settings(NodeFolder(tmp_path), NodeAddresses())["conntrack"]
    assert set(conntrack.values()) == {0, "0s"}


def test_the_api_server_authorizes_nodes_and_calls_them_by_address(tmp_path: Path) -> None:
    data = NodeFolder(tmp_path)
    data.create()
    pki = ensure_node_pki(data, NodeAddresses())
    command = build_apiserver_command(Path("kube-apiserver"), Ports(), pki, NodeAddresses())
    assert "--authorization-mode=Node" in command
    assert "--authorization-mode=RBAC" in command
    assert "--anonymous-auth=false" in command
    assert "--kubelet-preferred-address-types=InternalIP" in command
    scheduler = build_scheduler_command(Path("kube-scheduler"), (1, 20), Path("k"), pki)
    assert "--port=0" in scheduler


def test_two_nodes_have_groups_and_links_of_their_own(tmp_path: Path) -> None:
    one, other = NodeFolder(tmp_path / "one"), NodeFolder(tmp_path / "two")
    assert one.cgroup != other.cgroup
    assert one.link != other.link
    assert len(one.link) <= 15


def test_volumes_wait_for_claims_on_this_node(tmp_path: Path) -> None:
    data = NodeFolder(tmp_path)
    data.create()
    volumes = [entry for entry in base_objects(data) if entry["kind"] == "PersistentVolume"]
    folders = {Path(volume["spec"]["local"]["path"]) for volume in volumes}
    assert len(folders) == len(volumes)
    assert all(folder.is_dir() for folder in folders)
