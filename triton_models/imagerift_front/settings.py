"""What the front reads from its environment, once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "IMAGERIFT_FRONT_"


@dataclass(frozen=True)
class FrontSettings:
    """Settings of one front."""

    token_file: Path | None
    """Tokens of whoever may call, one a line; None takes calls of anybody."""
    host: str = "0.0.0.0"  # noqa: S104 - the one listener of its pod
    port: int = 8000
    metrics_port: int | None = 8002
    """Port of GET /metrics, which wants no token; None for none."""
    certificate: Path | None = None
    """Certificate chain in PEM; with it both ports speak TLS alone."""
    key: Path | None = None
    body_bytes: int = 1024 * 1024
    """The longest body. Pictures come and go by signed URLs: a call holds words alone."""
    body_seconds: float = 10.0
    """The time in which a body has to arrive."""
    connections: int = 512
    """Connections at once; more are closed."""
    termination_log: Path = Path("/dev/termination-log")
    """Where Kubernetes reads why a container has ended; nothing is written where it is not."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "FrontSettings":
        """Read the `IMAGERIFT_FRONT_*` variables.

        Raises ValueError where none says who may call, or one is not what it should be.
        """

        def text(name: str) -> str:
            return environment.get(PREFIX + name) or ""

        def path(name: str) -> Path | None:
            return Path(text(name)) if text(name) else None

        if not text("TOKEN_FILE") and text("ANYONE") != "true":
            raise ValueError(
                f"{PREFIX}TOKEN_FILE must name the file with the token of this installation "
                f"(or {PREFIX}ANYONE=true let everybody call who reaches this server)"
            )
        if bool(text("TLS_CERTIFICATE")) != bool(text("TLS_KEY")):
            raise ValueError(f"{PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY go together")
        return cls(
            token_file=path("TOKEN_FILE"),
            host=text("HOST") or cls.host,
            port=int(text("PORT") or cls.port),
            metrics_port=int(text("METRICS_PORT") or "8002") or None,
            certificate=path("TLS_CERTIFICATE"),
            key=path("TLS_KEY"),
            body_bytes=int(text("BODY_BYTES") or cls.body_bytes),
            body_seconds=float(text("BODY_SECONDS") or cls.body_seconds),
            connections=int(text("CONNECTIONS") or cls.connections),
            termination_log=path("TERMINATION_LOG") or cls.termination_log,
        )
