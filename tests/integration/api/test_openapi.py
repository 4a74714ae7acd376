"""The OpenAPI document and the reference page."""

from __future__ import annotations

import re

from imagerift_api.app import build_application
from imagerift_api.http.problems import KINDS
from imagerift_api.metrics import Metrics
from imagerift_api.openapi.document import document_path
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.integration.api.harness import Api


async def test_the_document_is_valid_openapi_3_1(api: Api) -> None:
    answer = await api.call("GET", "/api/v1/openapi.json")

    assert answer.body["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(answer.body).validate()


async def test_the_document_names_every_route_and_method_that_is_served(api: Api) -> None:
    document = (await api.call("GET", "/api/v1/openapi.json")).body
    metrics = Metrics()
    served = {
        (document_path(route.resource.canonical), route.method.lower())
        for route in build_application(api.settings, metrics).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    metrics.close()

    described = {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }

    assert {item for item in served if item[0].startswith("/api/")} <= described
    assert described <= served


async def test_every_refusal_has_an_example_of_each_of_its_codes(api: Api) -> None:
    document = (await api.call("GET", "/api/v1/openapi.json")).body

    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                problem = response.get("content", {}).get("application/problem+json")
                if problem is None:
                    continue
                codes = problem["schema"]["allOf"][1]["properties"]["code"]["enum"]
                assert set(problem["examples"]) == set(codes)
                for code, example in problem["examples"].items():
                    assert example["value"]["code"] == code
                    assert example["value"]["status"] == int(status) == KINDS[code][0]


async def test_the_reference_page_shows_every_operation_and_asks_nobody_else(api: Api) -> None:
    document = (await api.call("GET", "/api/v1/openapi.json")).body
    answer = await api.call("GET", "/docs")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f'id="{operation["operationId"]}"' in answer.body
            assert f"{method.upper()}</span> <span>{path}</span>" in answer.body
    assert not re.search(r'(src|href)="(https?:)?//', answer.body)
    assert "<script" not in answer.body
