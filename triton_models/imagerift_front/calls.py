"""Which calls are taken. Whatever is refused here has reached nothing but this process."""

import re
from dataclasses import dataclass

from aiohttp import hdrs, web

HEALTH = frozenset({"/v2/health/live", "/v2/health/ready"})
_MODEL = re.compile(r"/v2/models/[A-Za-z0-9_.-]{1,128}/(infer|ready)")
# Triton takes more of each call by headers: compressed bodies, locks of its other interfaces.
_PASSED_ON = (
    hdrs.CONTENT_TYPE,
    hdrs.ACCEPT_ENCODING,
    "Inference-Header-Content-Length",
    "traceparent",
)
_METHODS = {"infer": hdrs.METH_POST, "ready": hdrs.METH_GET}


class Refused(Exception):
    """A call that is not taken: its HTTP status, and words for whoever made it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


@dataclass(frozen=True)
class Call:
    """A call that may go on to Triton."""

    method: str
    path: str
    length: int
    """Bytes of its body."""
    headers: dict[str, str]
    open: bool
    """Whether it wants no token: a kubelet asks for health, and knows none."""


def read_call(request: web.BaseRequest, *, body_bytes: int) -> Call:
    """The call, by its head alone: no byte of a body is read.

    Raises `Refused` for a path or a method that the operator never uses, for a body without a
    length, over `body_bytes` or encoded, and for a GET with one.
    """
    path = request.raw_path
    model = _MODEL.fullmatch(path)
    if model is None and path not in HEALTH:
        raise Refused(404, "there is no such call here")
    if request.method != (_METHODS[model[1]] if model else hdrs.METH_GET):
        raise Refused(405, "this call has another method")
    return Call(
        method=request.method,
        path=path,
        length=_length(request, body_bytes),
        headers={name: request.headers[name] for name in _PASSED_ON if name in request.headers},
        open=model is None,
    )


def read_metrics_call(request: web.BaseRequest) -> Call:
    """A call at the port of metrics. Raises `Refused` for all but GET /metrics."""
    if (request.method, request.raw_path) != (hdrs.METH_GET, "/metrics"):
        raise Refused(404, "there is no such call here")
    return Call(request.method, "/metrics", _length(request, 0), {}, open=True)


def _length(request: web.BaseRequest, most: int) -> int:
    headers = request.headers
    # One chunk header a byte is what crashes Triton 2.51 (CVE-2025-23310).
    if hdrs.TRANSFER_ENCODING in headers:
        raise Refused(411, "a body needs a Content-Length")
    if hdrs.CONTENT_ENCODING in headers or hdrs.EXPECT in headers or hdrs.UPGRADE in headers:
        raise Refused(400, "no encoded body, no Expect and no Upgrade is taken here")
    length = request.content_length
    if request.method == hdrs.METH_GET:
        most = 0
    elif length is None:
        raise Refused(411, "a body needs a Content-Length")
    if (length or 0) > most:
        raise Refused(413, f"a body has at most {most} bytes here")
    return length or 0
