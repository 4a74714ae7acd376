"""Reads what clients send: bodies, queries and headers as models, every fault listed at once."""

from __future__ import annotations

from typing import Any, TypeVar

from imagerift_core.errors import InvalidRequest
from multidict import MultiMapping
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from imagerift_api.http.bodies import RequestBody

Body = TypeVar("Body", bound=RequestBody)
Query = TypeVar("Query", bound="RequestQuery")
Headers = TypeVar("Headers", bound="RequestHeaders")


class RequestQuery(BaseModel):
    """A query. Each name comes once at most, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    @classmethod
    def collect(cls, query: MultiMapping[str]) -> dict[str, Any]:
        """The values by name. Raises `InvalidRequest`."""
        return {name: once(query, name) for name in query}


class RequestHeaders(BaseModel):
    """Those headers of a request that an operation takes; a field gets every value that came."""


def parse_body(model: type[Body], content: Any) -> Body:
    """The body as `model`. Raises `InvalidRequest` that lists every fault."""
    if not isinstance(content, dict):
        raise InvalidRequest("The body must be a JSON object.")
    faults = []
    try:
        body = model.model_validate(content)
    except ValidationError as error:
        faults = faults_of(error, "field")
    faults += model.faults_between_fields(content)
    if faults:
        raise invalid(faults)
    return body


def parse_query(model: type[Query], query: MultiMapping[str]) -> Query:
    """The query as `model`. Raises `InvalidRequest` that lists every fault."""
    try:
        return model.model_validate(model.collect(query))
    except ValidationError as error:
        raise invalid(faults_of(error, "filter")) from None


def parse_headers(model: type[Headers], headers: MultiMapping[str]) -> Headers:
    """The headers that `model` names. Raises `InvalidRequest`."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    content = {name: headers.getall(name) for name in names if name in headers}
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise invalid(faults_of(error, "header")) from None


def once(query: MultiMapping[str], name: str) -> str:
    """The value of a member of the query. Raises `InvalidRequest` where there are several."""
    values = query.getall(name)
    if len(values) > 1:
        raise InvalidRequest(f"{name} came more than once.", param=name)
    return values[0]


def refuse_query(query: MultiMapping[str]) -> None:
    """Raises `InvalidRequest` where a route that takes no query got one."""
    if query:
        name = next(iter(query))
        raise InvalidRequest("Unknown filter.", param=name)


def faults_of(error: ValidationError, kind: str) -> list[dict[str, str]]:
    """Every fault, with the path of its field; no value that came is quoted."""
    return [_fault(item, kind) for item in error.errors(include_url=False, include_input=False)]


def invalid(faults: list[dict[str, str]]) -> InvalidRequest:
    """The refusal that lists the faults."""
    first = faults[0]
    summary = f"{first['param']}: {first['message']}"
    if len(faults) > 1:
        summary += f" And {len(faults) - 1} more, listed in errors."
    return InvalidRequest(summary, param=first["param"], errors=faults)


def _fault(item: ErrorDetails, kind: str) -> dict[str, str]:
    path = [str(part) for part in item["loc"]]
    if path and path[-1] == "[key]":
        path = path[:-1]
    messages = {"extra_forbidden": f"Unknown {kind}.", "missing": "This field is required."}
    message = messages.get(item["type"])
    if message is None:
        message = item["msg"].removeprefix("Value error, ")
        message = message if message.endswith(".") else f"{message}."
    return {"param": ".".join(path), "message": message}
