"""Every example of a request that we print is sent, and taken."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.integration.api.browsers import signed_in
from tests.integration.api.harness import Api, Tenant
from tests.support.pictures import encode, picture

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "api/imagerift_api/pages/files/developers.html"
_CALL = re.compile(
    r"curl[^\n]*?(?P<path>/api/v1/[\w/]+)(?:[^'`]|(?<=-H) ?'[^']*')*?-d '(?P<body>[^']+)'"
)
_BATCH = re.compile(r"^```\n(?P<body>\{\"jobs\".*?)\n```", re.MULTILINE | re.DOTALL)


def printed() -> list[tuple[str, str, str]]:
    """Where it is printed, the path that it calls, and its body."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), PAGE]:
        text = page.read_text()
        if page == PAGE:
            text = html.unescape(re.sub(r"</?\w[^>]*>", "", text))
        found += [(page.name, call["path"], call["body"]) for call in _CALL.finditer(text)]
        found += [(page.name, "/api/v1/batches", batch["body"]) for batch in _BATCH.finditer(text)]
    return found


async def filled(api: Api, tenant: Tenant, body: Any) -> Any:
    """The body with what each reader puts in: a picture, or the name of one of their own."""
    if isinstance(body, list):
        return [await filled(api, tenant, item) for item in body]
    if not isinstance(body, dict):
        return body
    whole = {name: await filled(api, tenant, value) for name, value in body.items()}
    if whole.get("imageBase64") in {"...", "\u2026"}:
        whole["imageBase64"] = encode(picture())
    if str(whole.get("imageKey", "")).startswith("img_"):
        job = await api.generate(tenant)
        record = await api.database.jobs.find_one({"_id": job.body["jobId"]})
        assert record is not None
        whole["imageKey"] = record["source"]["key"]
    return whole


def test_the_printed_examples_are_found() -> None:
    places = [(page, path) for page, path, _ in printed()]

    assert ("README.md", "/api/v1/generate") in places
    assert (PAGE.name, "/api/v1/generate") in places
    for path in ("/api/v1/generate", "/api/v1/uploads", "/api/v1/batches"):
        assert ("api.md", path) in places


@pytest.mark.parametrize(("page", "path", "body"), printed())
async def test_a_printed_example_is_taken(
    api: Api, tenant: Tenant, page: str, path: str, body: str
) -> None:
    content = await filled(api, tenant, json.loads(body))

    answer = await api.call("POST", path, json=content, headers=tenant.headers)

    assert answer.status in {201, 202}, (page, answer.body)


async def test_every_example_of_a_body_in_the_document_is_taken(api: Api) -> None:
    document = (await api.call("GET", "/api/v1/openapi.json")).body
    tenant = await api.tenant()
    person = await signed_in(api)
    sent = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            media = content.get("application/json", {})
            examples = [example["value"] for example in media.get("examples", {}).values()]
            if "example" in media:
                examples.append(media["example"])
            by_key = any("apiKey" in way for way in operation["security"])
            headers = tenant.headers if by_key else person.headers
            for example in examples if "{" not in path else ():
                body = await filled(api, tenant, example)
                answer = await api.call(method.upper(), path, json=body, headers=headers)
                assert answer.status < 300, (path, answer.body)
                sent.append((path, body.get("mode")))
    assert {"/api/v1/generate", "/api/v1/batches", "/api/v1/uploads"} <= {path for path, _ in sent}
    assert {("/api/v1/generate", "style"), ("/api/v1/generate", "cutout")} <= set(sent)


async def test_every_example_in_the_document_keeps_its_own_schema(api: Api) -> None:
    document = (await api.call("GET", "/api/v1/openapi.json")).body
    registry = Registry().with_resource(
        "urn:document", Resource.from_contents(document, default_specification=DRAFT202012)
    )
    checked = 0
    for media in _media(document["paths"]):
        values = [media["example"]] if "example" in media else []
        values += [example["value"] for example in media.get("examples", {}).values()]
        schema = json.loads(json.dumps(media["schema"]).replace('"#/', '"urn:document#/'))
        for value in values:
            Draft202012Validator(schema, registry=registry).validate(value)
            checked += 1
    assert checked > 100


def _media(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [media for item in node for media in _media(item)]
    if not isinstance(node, dict):
        return []
    own = [node] if "schema" in node and ("example" in node or "examples" in node) else []
    return own + [media for value in node.values() for media in _media(value)]
