"""The front itself: listens, refuses or takes, and hands on."""

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import ClientConnectorError, ClientError, ClientSession, hdrs, web
from aiohttp.web_protocol import RequestHandler

from imagerift_front.calls import Call, Refused, read_call, read_metrics_call
from imagerift_front.settings import FrontSettings
from imagerift_front.tokens import TokenFile

# The operator's client lets go of an idle connection after 15 s.
_IDLE_SECONDS = 20
# What is left of a refused body is read and thrown away for so long, so that the answer arrives.
_LINGERING_SECONDS = 1.0
_SHUTDOWN_SECONDS = 2.0
_TOLD_EVERY_SECONDS = 60.0
_PASSED_BACK = (hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH, "Inference-Header-Content-Length")

Reader = Callable[[web.BaseRequest], Call]


class Front:
    """One listener's calls, handed on to the server behind `session`."""

    def __init__(
        self,
        read: Reader,
        session: ClientSession,
        settings: FrontSettings,
        tokens: TokenFile | None,
    ) -> None:
        self._read = read
        self._session = session
        self._body_seconds = settings.body_seconds
        self._tokens = tokens
        self._told: dict[int, float] = {}

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one call; a refused one ends its connection, for more of it may be on the way."""
        try:
            call = self._read(request)
            self._check_token(call, request)
            body = await self._body(call, request)
        except Refused as refusal:
            return self._refusal(refusal)
        try:
            return await self._exchange(call, body, request)
        except ClientConnectorError:
            return _said(503, "the model server is not ready")
        except (ClientError, TimeoutError):
            # Triton may have done work: the caller is to see that as if it had called Triton.
            if request.transport is not None:
                request.transport.abort()
            return _said(502, "the model server went away")

    def _check_token(self, call: Call, request: web.BaseRequest) -> None:
        if call.open or self._tokens is None:
            return
        if not self._tokens.admits(request.headers.get(hdrs.AUTHORIZATION)):
            raise Refused(401, "this call needs the token of this installation")

    async def _body(self, call: Call, request: web.BaseRequest) -> bytes:
        """The whole body, before Triton hears of it: nobody can hold one of its places open."""
        if not call.length:
            return b""
        try:
            async with asyncio.timeout(self._body_seconds):
                return await request.content.readexactly(call.length)
        except TimeoutError:
            raise Refused(408, "the body did not arrive in time") from None
        except asyncio.IncompleteReadError:
            raise Refused(400, "the body is not whole") from None

    async def _exchange(
        self, call: Call, body: bytes, request: web.BaseRequest
    ) -> web.StreamResponse:
        async with self._session.request(
            call.method,
            f"http://triton{call.path}",
            data=body or None,
            headers=call.headers,
            allow_redirects=False,
        ) as answer:
            passed = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
            response = web.StreamResponse(status=answer.status, headers=passed)
            response.headers[hdrs.SERVER] = "imagerift-front"
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    def _refusal(self, refusal: Refused) -> web.Response:
        now = time.monotonic()
        if now - self._told.get(refusal.status, -_TOLD_EVERY_SECONDS) >= _TOLD_EVERY_SECONDS:
            self._told[refusal.status] = now
            sys.stderr.write(f"imagerift_front: refused a call: {refusal.status} {refusal.words}\n")
        response = _said(refusal.status, refusal.words)
        response.force_close()
        return response


def _said(status: int, words: str) -> web.Response:
    """An answer in Triton's own form."""
    response = web.json_response({"error": words}, status=status)
    response.headers[hdrs.SERVER] = "imagerift-front"
    return response


class _Bounded(web.Server):
    """A server that ends connections over `most` as they come."""

    most = 0

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > self.most:
            transport.abort()


@asynccontextmanager
async def listening(
    front: Front, port: int, settings: FrontSettings
) -> AsyncIterator[Sequence[int]]:
    """Listen at `port` inside this block; it yields the ports, of which 0 is any that is free."""
    server = _Bounded(
        front.answer,
        access_log=None,
        keepalive_timeout=_IDLE_SECONDS,
        lingering_time=_LINGERING_SECONDS,
    )
    server.most = settings.connections
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(server, settings.host, port, ssl=_tls(settings))
    try:
        yield [socket.getsockname()[1] for socket in listener.sockets]
    finally:
        listener.close()
        await server.shutdown(_SHUTDOWN_SECONDS)


def calls_front(session: ClientSession, settings: FrontSettings, tokens: TokenFile | None) -> Front:
    """The front of Triton's own interface."""
    return Front(
        lambda request: read_call(request, body_bytes=settings.body_bytes),
        session,
        settings,
        tokens,
    )


def metrics_front(session: ClientSession, settings: FrontSettings) -> Front:
    """The front of its metrics, which hold models' names and counts."""
    return Front(read_metrics_call, session, settings, None)


def _tls(settings: FrontSettings) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.certificate, settings.key)
    return context
