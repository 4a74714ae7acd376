"""How model servers know that the operator calls, and which of them it tells its token."""

from __future__ import annotations

import ssl
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from imagerift_core.triton import ModelServer, connect_triton
from pydantic import SecretStr

TOKEN_KEY = "model-token"  # noqa: S105 - a name within a Secret


@dataclass(frozen=True)
class ModelAccess:
    """The token of this installation, and who may see it.

    Servers that the operator makes from a template find it in the Secret `secret` of their
    namespace, and their certificate in `tls_secret`. A server that somebody else runs, at an
    endpoint, is told it only where `trusted_hosts` has its host, or its host and port.
    """

    token: SecretStr | None = None
    trusted_hosts: frozenset[str] = frozenset()
    secret: str = ""
    tls_secret: str = ""
    authority: Path | None = None

    @property
    def scheme(self) -> str:
        """What servers made from a template speak."""
        return "https" if self.tls_secret else "http"

    def connect(self, endpoint: str, *, own: bool) -> AbstractAsyncContextManager[ModelServer]:
        """A client of the server at `endpoint`; `own`: one that the operator has made."""
        token = self.token_for(endpoint, own=own)
        return connect_triton(endpoint, token=token, tls=self._tls(endpoint, own=own))

    def token_for(self, endpoint: str, *, own: bool) -> str | None:
        """What the server at `endpoint` is told."""
        address = urlsplit(endpoint.lower())
        trusted = own or not self.trusted_hosts.isdisjoint({address.hostname, address.netloc})
        if self.token is None or not trusted:
            return None
        # A file may hold the one before as well, while servers learn the new one.
        return self.token.get_secret_value().split()[0]

    def _tls(self, endpoint: str, *, own: bool) -> ssl.SSLContext | None:
        if self.authority is None or not endpoint.startswith("https:"):
            return None
        context = ssl.create_default_context(cafile=self.authority)
        # Pods are called by addresses that no certificate knows: the authority is for them alone.
        context.check_hostname = not own
        return context


NO_TOKEN = ModelAccess()
