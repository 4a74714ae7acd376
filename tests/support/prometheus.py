"""Prometheus and its promtool, for tests of rules: from PATH or the pinned Debian, unpacked."""

from __future__ import annotations

from imagerift_local.provision.programs import DebianPackage, Program

PROMETHEUS = Program(
    part="prometheus",
    names=("prometheus", "promtool"),
    asks=("--version",),
    prints=r"version (\d+\.\d+\.\d+)",
    oldest=(2, 30),
    registry=DebianPackage("prometheus", "2.42.0"),
)
