"""Builds the OpenAPI 3.1 document from the operations and the models that they validate with."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from openapi_pydantic.v3.v3_1 import OpenAPI
from pydantic import BaseModel, TypeAdapter
from pydantic.alias_generators import to_camel

from imagerift_api.http.answers import Reply
from imagerift_api.http.operations import Operation
from imagerift_api.http.problems import CONTENT_TYPE, KINDS
from imagerift_api.openapi.access import RULES, SECURITY_SCHEMES, security_of
from imagerift_api.openapi.problem_schema import ProblemObject, problem_example

_REF = "#/components/schemas/{model}"
_BODY_ERRORS = ("payload_too_large", "request_timeout")
_ALWAYS = ("invalid_request", "internal_error")
_RETRY_STATUSES = frozenset({429, 503})
_DESCRIPTION = (
    "Submit an image-generation job, then poll it, wait for it or follow its events until it has "
    "`succeeded`, `failed` or been `canceled`. Every refusal is a problem document (RFC 9457)."
)


def build_document(operations: Sequence[Operation], *, version: str) -> dict[str, Any]:
    """The document as plain JSON values, seen to be an OpenAPI 3.1 description."""
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in operations:
        described = _operation(operation, schemas)
        paths[document_path(operation.path)][operation.method.lower()] = described
    document = OpenAPI.model_validate(
        {
            "openapi": "3.1.0",
            "info": {"title": "ImageRift API", "version": version, "description": _DESCRIPTION},
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {
                "schemas": schemas.definitions,
                "securitySchemes": {
                    name: scheme.model_dump(by_alias=True, exclude_none=True)
                    for name, scheme in SECURITY_SCHEMES.items()
                },
            },
            "tags": [{"name": tag} for tag in dict.fromkeys(o.tag for o in operations)],
        }
    )
    content: dict[str, Any] = document.model_dump(by_alias=True, exclude_unset=True, mode="json")
    return content


def document_path(path: str) -> str:
    """`/jobs/{job_id}`, with or without a pattern, as the document names it: `/jobs/{jobId}`."""
    return re.sub(r"{(\w+)(?::[^{}]*)?}", lambda match: "{" + to_camel(match[1]) + "}", path)


class _Schemas:
    """The JSON schemas of every model, each once, under `components`."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        inputs: dict[Any, None] = {ProblemObject: None}
        for operation in operations:
            for reply in operation.replies.values():
                if reply.content is not None:
                    inputs[reply.content] = None
            if operation.body is not None:
                inputs[operation.body] = None
        found, shared = TypeAdapter.json_schemas(
            [(model, "validation", TypeAdapter(model)) for model in inputs], ref_template=_REF
        )
        self.definitions: dict[str, Any] = shared.get("$defs", {})
        self._by_model = {model: schema for (model, _mode), schema in found.items()}

    def of(self, model: Any) -> dict[str, Any]:
        return self._by_model[model]


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    rules = RULES[operation.access]
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": security_of(operation),
        "parameters": [
            *_parameters(operation.path_model, "path"),
            *_parameters(operation.query, "query"),
            *_parameters(operation.headers, "header"),
        ],
        "responses": {
            str(status): _success(reply, schemas, rules.headers)
            for status, reply in operation.replies.items()
        },
    }
    description = operation.description
    if operation.scope is not None:
        description = f"{description}\n\nA key needs the scope `{operation.scope}`.".strip()
    if description:
        described["description"] = description
    if operation.body is not None:
        media: dict[str, Any] = {"schema": schemas.of(operation.body)}
        if operation.body_example is not None:
            media["example"] = operation.body_example
        if operation.body_examples:
            named = operation.body_examples.items()
            media["examples"] = {name: {"value": value} for name, value in named}
        described["requestBody"] = {"required": True, "content": {"application/json": media}}
    for status, codes in _codes_by_status(operation).items():
        described["responses"][str(status)] = _refusal(
            status, codes, operation, schemas, rules.headers
        )
    return described


def _parameters(model: type[BaseModel] | None, location: str) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    found = []
    for name, entry in schema.get("properties", {}).items():
        shown, value = name, _optional(_inlined(entry, definitions))
        if "additionalProperties" in value:
            # A family of parameters; OpenAPI has no form for it, so one stands for all.
            shown, value = f"{name}.KEY", value["additionalProperties"]
        parameter = {
            "name": shown,
            "in": location,
            "required": location == "path" or name in required,
            "schema": {k: v for k, v in value.items() if k not in {"title", "description"}},
        }
        if "description" in entry:
            parameter["description"] = entry["description"]
        found.append(parameter)
    return found


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _inlined(definitions[node["$ref"].rsplit("/", 1)[1]], definitions) | rest
    return {key: _inlined(value, definitions) for key, value in node.items()}


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be absent is never null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    return {**choices[0], **rest}


def _success(reply: Reply, schemas: _Schemas, headers: dict[str, str]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": reply.description,
        "headers": _headers({**headers, **reply.headers}),
    }
    if reply.content is not None:
        media: dict[str, Any] = {"schema": schemas.of(reply.content)}
        if reply.example is not None:
            media["example"] = reply.example
        response["content"] = {reply.media_type: media}
    return response


def _refusal(
    status: int,
    codes: Sequence[str],
    operation: Operation,
    schemas: _Schemas,
    headers: dict[str, str],
) -> dict[str, Any]:
    path = document_path(operation.path)
    shown = {} if status == 401 else dict(headers)
    if status == 401:
        shown["WWW-Authenticate"] = "The challenge (RFC 6750)."
    if status in _RETRY_STATUSES:
        shown["Retry-After"] = "Seconds to wait."
    schema = {
        "allOf": [schemas.of(ProblemObject), {"properties": {"code": {"enum": sorted(codes)}}}]
    }
    return {
        "description": "; ".join(f"`{code}`: {KINDS[code][1]}" for code in codes),
        "headers": _headers(shown),
        "content": {
            CONTENT_TYPE: {
                "schema": schema,
                "examples": {code: {"value": problem_example(code, path)} for code in codes},
            }
        },
    }


def _codes_by_status(operation: Operation) -> dict[int, list[str]]:
    codes = [*_ALWAYS, *RULES[operation.access].errors, *operation.errors]
    if operation.scope is not None:
        codes.append("insufficient_scope")
    if operation.body is not None:
        codes += _BODY_ERRORS
    if operation.access != "open" and operation.method != "GET":
        codes.append("outcome_unknown")
    if operation.any_query:
        codes.remove("invalid_request")
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys(codes):
        by_status[KINDS[code][0]].append(code)
    return dict(sorted(by_status.items()))


def _headers(meanings: dict[str, str]) -> dict[str, Any]:
    named = {"X-Request-Id": "The id of this request, as in the logs.", **meanings}
    return {
        name: {"description": meaning, "schema": {"type": "string"}}
        for name, meaning in named.items()
    }
