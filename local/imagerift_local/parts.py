"""What is known of every part before it is started: the table `parts.toml`, and its exceptions."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TABLE: Mapping[str, Mapping[str, Any]] = tomllib.loads(
    Path(__file__).with_name("parts.toml").read_text()
)
UNUSED_CONTROLLERS: tuple[str, ...] = tuple(TABLE["kube-controller-manager"]["unused"])


def build_command(part: str, binary: Path, **values: object) -> list[str]:
    """The command line of a part; `values` are what its flags in the table name."""
    return [str(binary), *(flag.format_map(values) for flag in TABLE[part]["flags"])]


def build_controller_manager_command(
    binary: Path,
    version: tuple[int, ...],
    *,
    unused: Sequence[str] = UNUSED_CONTROLLERS,
    **values: object,
) -> list[str]:
    """kube-controller-manager without the controllers `unused`."""
    without = ",".join(f"-{name}" for name in unused)
    command = build_command("kube-controller-manager", binary, without=without, **values)
    return [*command, *closed_insecure_port(version)]


def closed_insecure_port(version: tuple[int, ...]) -> list[str]:
    """Closes the port without TLS; versions from 1.24 on have none and do not know the flag."""
    return ["--port=0"] if version < (1, 24) else []


def build_triton_command(
    program: Sequence[object],
    repositories: Sequence[Path],
    traces_url: str | None,
    **values: object,
) -> list[str]:
    """tritonserver over HTTP only; with `traces_url` it sends spans there, and no tensors."""
    tracing = [
        *("mode=opentelemetry", "level=TIMESTAMPS", "rate=1"),
        f"opentelemetry,url={traces_url}",
        "opentelemetry,resource=service.name=imagerift-triton",
    ]
    return [
        *map(str, program),
        *(flag.format_map(values) for flag in TABLE["triton"]["flags"]),
        *(f"--model-repository={repository}" for repository in repositories),
        *(f"--trace-config={setting}" for setting in tracing if traces_url),
    ]


def traces_url(environment: Mapping[str, str]) -> str | None:
    """Where spans go, by the standard variables; Triton knows none of them itself."""
    own = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return own or (f"{base.rstrip('/')}/v1/traces" if base else None)


def guarded(command: Sequence[str]) -> list[str]:
    """The command, killed by the kernel when its parent dies, however the parent dies."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]
