"""The document as it is served: built once, when somebody first asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

import orjson
from aiohttp import web

from imagerift_api.http.operations import OPERATIONS, Operation
from imagerift_api.openapi.document import build_document
from imagerift_api.openapi.reference import reference_page


class Published:
    """The document of an application's operations, and the page made from it."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations

    @cached_property
    def document(self) -> dict[str, Any]:
        return build_document(self._operations, version=version("imagerift-api"))

    @cached_property
    def json(self) -> bytes:
        return orjson.dumps(self.document)

    @cached_property
    def page(self) -> str:
        return reference_page(self.document)


PUBLISHED = web.AppKey("published", Published)


def publish(application: web.Application) -> None:
    """Has the application show what was added to it, then and later."""
    application[PUBLISHED] = Published(application.setdefault(OPERATIONS, []))
