"""Loaded by schemathesis: credentials, real values for good requests, and a count of answers.

A request that was made to be wrong stays as it was made. Of those that were made to be right,
three in four name real things, since a made-up id can only be not found.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import requests
import schemathesis
from requests.structures import CaseInsensitiveDict
from schemathesis import Case, GenerationMode, HookContext, Response
from schemathesis.core.parameters import ParameterLocation

AnyCase = Case[Any]

_SUPPLIER = os.environ["FUZZ_SUPPLIER"]
_CREDENTIALS = json.loads(os.environ["FUZZ_CREDENTIALS"])
_ANSWERS = Path(os.environ["FUZZ_ANSWERS"])
_EXAMPLES = int(os.environ["FUZZ_EXAMPLES"])
_ORIGIN = os.environ["FUZZ_ORIGIN"]
_MYSELF = os.environ["FUZZ_MYSELF"]
# Who signs in leaves the session that the browser had before.
_ENDS_THE_SESSION = {"signOut", "chooseWorkspace", "signInWithPassword"}
_seen: Counter[str] = Counter()
_http = requests.Session()
_http.trust_env = False


def _name(operation: Any) -> str:
    name: str = operation.definition.raw["operationId"]
    return name


def _asked(path: str) -> dict[str, Any]:
    if not _SUPPLIER:
        return {}
    answer = _http.get(f"{_SUPPLIER}/{path}", timeout=60)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """The caller's key or session; a session that the call ends is made for it alone."""

    def get(self, case: AnyCase, _context: object) -> dict[str, str]:
        if "cookie" in _CREDENTIALS and _name(case.operation) in _ENDS_THE_SESSION:
            return _asked("session")
        return dict(_CREDENTIALS)

    def set(self, case: AnyCase, data: dict[str, str], _context: object) -> None:
        case.headers = case.headers or CaseInsensitiveDict()
        case.cookies = case.cookies or {}
        if "token" in data:
            case.headers["Authorization"] = f"Bearer {data['token']}"
        else:
            case.headers.pop("Authorization", None)
            case.cookies["imagerift_session"] = data["cookie"]
            case.headers["X-CSRF-Token"] = data["csrf"]


@schemathesis.hook
def before_add_examples(context: HookContext, examples: list[AnyCase]) -> None:
    """Good requests of each operation; those without parameters have no other."""
    operation = context.operation
    assert operation is not None
    values = _asked(f"values/{_name(operation)}")
    for _ in range(_EXAMPLES):
        # Real ids come when it is sent; until then they only have to differ.
        path = {name: str(uuid4()) for name in values.get("path") or {}}
        example = operation.Case(path_parameters=path)
        if values.get("body") is not None:
            example.body = values["body"]
            example.media_type = "application/json"
        # What is added here gets no credentials by itself.
        credentials = Credentials()
        data = credentials.get(example, context)
        credentials.set(example, data, context)
        example._has_explicit_auth = True
        examples.append(example)


@schemathesis.hook
def before_call(context: HookContext, case: AnyCase, kwargs: dict[str, Any]) -> None:
    name = _name(case.operation)
    if name == "signInWithPassword":
        case.headers["Origin"] = _ORIGIN
    if _SUPPLIER and name == "jobEvents" and _is_uuid((case.path_parameters or {}).get("jobId")):
        # The stream of a job that nobody ends would never end.
        case.path_parameters |= _asked(f"values/{name}")["path"]
        return
    if (case.path_parameters or {}).get("personId") == _MYSELF:
        # Nobody else could go on with the session of somebody who left.
        case.path_parameters = {**case.path_parameters, **_asked(f"values/{name}")["path"]}
    if "Idempotency-Key" in case.headers and not _is_negative(case, ParameterLocation.HEADER):
        # Under a key that was used before, no other body is looked at.
        case.headers["Idempotency-Key"] = uuid4().hex
    if case.meta is not None and case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    _seen[name] += 1
    if case.meta is not None and _seen[name] % 4 == 0:
        return
    values = _asked(f"values/{name}")
    if values.get("path"):
        case.path_parameters = {**case.path_parameters, **values["path"]}
    cursor = values.get("query", {}).get("cursor")
    if cursor is not None and "cursor" in (case.query or {}):
        case.query["cursor"] = cursor
    instead = values.get("instead")
    if instead and isinstance(case.body, dict):
        case.body = _named(case.body, instead)


@schemathesis.hook
def after_call(context: HookContext, case: AnyCase, response: Response) -> None:
    line = {"operation": _name(case.operation), "status": response.status_code}
    with _ANSWERS.open("a") as answers:
        answers.write(json.dumps(line) + "\n")


def _named(body: dict[str, Any], instead: dict[str, Any]) -> dict[str, Any]:
    """The body with real values where it named something, also in the jobs of a batch."""
    named = {
        name: instead[name] if value is not None and name in instead else value
        for name, value in body.items()
    }
    if "mode" in named:
        named.setdefault("prompt", instead["prompt"])
    jobs = named.get("jobs")
    if isinstance(jobs, list):
        named["jobs"] = [_named(job, instead) if isinstance(job, dict) else job for job in jobs]
    return named


def _is_negative(case: AnyCase, location: ParameterLocation) -> bool:
    return case.meta is not None and case.meta.is_negative_at(location)


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True
