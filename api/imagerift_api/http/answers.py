"""How an operation answers: what its handler returns, written as the operation declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import hdrs, web
from pydantic import BaseModel


@dataclass(frozen=True)
class Reply:
    """A success. `content` is None where the answer has no body; `headers` name to meaning."""

    description: str
    content: Any = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    example: Any = None


@dataclass(frozen=True)
class Answer:
    """What a handler returns where the content alone does not say all of it.

    Without a `status` it is that of the first declared reply.
    """

    content: BaseModel | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


# A handler may also write a response, or a stream, itself.
Result = Answer | BaseModel | web.StreamResponse | None


def respond(replies: Mapping[int, Reply], result: Result, *, private: bool) -> web.StreamResponse:
    """The response to a call; no cache may keep a `private` one.

    Raises `TypeError` for what none of the replies declares.
    """
    if isinstance(result, web.StreamResponse):
        response = result
    else:
        response = _written(replies, result if isinstance(result, Answer) else Answer(result))
    if private and not response.prepared:
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


def _written(replies: Mapping[int, Reply], answer: Answer) -> web.Response:
    status = next(iter(replies)) if answer.status is None else answer.status
    content, declared = answer.content, replies.get(status)
    if declared is None or declared.content is not (None if content is None else type(content)):
        raise TypeError(f"No reply with status {status} and {type(content).__name__} is declared.")
    if content is None:
        return web.Response(status=status, headers=answer.headers)
    return web.Response(
        status=status,
        body=content.model_dump_json().encode(),
        content_type=declared.media_type,
        charset="utf-8",
        headers=answer.headers,
    )
