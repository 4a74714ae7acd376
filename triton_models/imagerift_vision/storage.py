"""Bytes from and to the one S3 origin that the settings name, and to nowhere else."""

import http.client
import time
from collections.abc import Mapping
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from imagerift_contract.values import ErrorCode

from imagerift_vision.control import Guard
from imagerift_vision.errors import VisionError

MAX_SOURCE_BYTES = 20 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
SOCKET_TIMEOUT_SECONDS = 20.0
TRANSFER_TIMEOUT_SECONDS = 120.0
DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]


def origin_of(url: SplitResult) -> Origin | None:
    """Scheme, host and port of a URL; None when it is no plain http(s) URL."""
    try:
        port = url.port or DEFAULT_PORTS.get(url.scheme)
    except ValueError:
        return None
    if port is None or not url.hostname or url.username or url.password:
        return None
    return (url.scheme, url.hostname, port)


class OriginClient:
    """GET and PUT over one kept connection to one origin. Not for use by two threads.

    No redirect is followed and no proxy is used: both could carry a request to another host.
    """

    def __init__(self, origin: str | None) -> None:
        """Take `scheme://host:port`. Raises ValueError when it is no such thing."""
        self._origin = None if origin is None else origin_of(urlsplit(origin))
        if origin is not None and self._origin is None:
            raise ValueError("the S3 origin must look like scheme://host:port")
        self._connection: http.client.HTTPConnection | None = None

    def fetch(self, url: str, guard: Guard, max_bytes: int = MAX_SOURCE_BYTES) -> bytes:
        """Download a source.

        Raises VisionError: `invalid_request` (foreign origin), `input_unavailable` (refused,
        redirected, gone, or network trouble: only the last is retryable), `image_too_large`.
        """
        code: ErrorCode = "input_unavailable"
        response = self._send("GET", url, guard=guard, code=code)
        self._judge(response, code, "the source image")
        declared = response.getheader("Content-Length")
        if declared is not None and declared.isdigit() and int(declared) > max_bytes:
            self.close()
            raise _too_many(max_bytes)
        give_up = time.monotonic() + TRANSFER_TIMEOUT_SECONDS
        body = bytearray()
        try:
            while chunk := response.read(CHUNK_BYTES):
                body += chunk
                guard.check()
                if len(body) > max_bytes:
                    raise _too_many(max_bytes)
                if time.monotonic() > give_up:
                    raise TimeoutError
        except VisionError:
            self.close()
            raise
        except (OSError, http.client.HTTPException):
            self.close()
            raise _trouble(code) from None
        return bytes(body)

    def put(self, url: str, body: bytes, content_type: str, guard: Guard) -> None:
        """Upload an output.

        Raises VisionError: `invalid_request` (foreign origin), `output_upload_failed`
        (network trouble and server errors are retryable, a refusal is not).
        """
        code: ErrorCode = "output_upload_failed"
        headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
        response = self._send("PUT", url, body=body, headers=headers, guard=guard, code=code)
        self._judge(response, code, "the output")
        try:
            response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise _trouble(code) from None

    def close(self) -> None:
        """Drop the kept connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(
        self,
        method: Literal["GET", "PUT"],
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        guard: Guard,
        code: ErrorCode,
    ) -> http.client.HTTPResponse:
        guard.check()
        parts = urlsplit(url)
        origin = origin_of(parts)
        if self._origin is None or origin != self._origin:
            raise VisionError("invalid_request", "a URL points outside the configured storage")
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        # The signature covers Host as it stands in the URL.
        wire = {"Host": parts.netloc, "Accept-Encoding": "identity", **(headers or {})}
        for kept in (self._connection is not None, False):
            try:
                connection = self._connect(origin, guard)
                connection.request(method, target, body=body, headers=wire)
                return connection.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):
                self.close()
                guard.check()
                # A kept connection may have been closed by the server meanwhile: once more, fresh.
                if not kept:
                    raise _trouble(code) from None
            except (OSError, http.client.HTTPException):
                self.close()
                guard.check()  # a wait cut short by the deadline is a timeout, not network trouble
                raise _trouble(code) from None
        raise _trouble(code)

    def _connect(self, origin: Origin, guard: Guard) -> http.client.HTTPConnection:
        timeout = max(0.1, min(SOCKET_TIMEOUT_SECONDS, guard.seconds_left()))
        if self._connection is None:
            scheme, host, port = origin
            kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
            self._connection = kind(host, port, timeout=timeout)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        return self._connection

    def _judge(self, response: http.client.HTTPResponse, code: ErrorCode, what: str) -> None:
        status = response.status
        if status in (200, 201, 204):
            return
        self.close()
        if status >= 500 or status == 429:
            raise VisionError(code, f"storage answered {status} for {what}", retryable=True)
        if 300 <= status < 400:
            raise VisionError(code, f"storage answered with a redirect for {what}: not followed")
        raise VisionError(code, f"storage refused {what} ({status})")


def _trouble(code: ErrorCode) -> VisionError:
    return VisionError(code, "storage could not be reached or broke off", retryable=True)


def _too_many(limit: int) -> VisionError:
    return VisionError("image_too_large", f"the source image is over {limit // 2**20} MiB")
