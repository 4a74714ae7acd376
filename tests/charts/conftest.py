"""Fixtures of the charts' tests: Helm, and each example rendered once."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from kubernetes_validate import utils

from tests.charts.rendering import EXAMPLES, Helm, Objects, find_helm


@pytest.fixture(scope="session")
def helm() -> Helm:
    return find_helm()


@pytest.fixture(scope="session")
def examples(helm: Helm) -> dict[str, Objects]:
    """What comes out of the chart by the name of the example; `default` is without any values."""
    return {"default": helm.render()} | {name: helm.render(example=name) for name in EXAMPLES}


@pytest.fixture(scope="session")
def quick_schemas() -> Iterator[None]:
    """The validator reads its megabytes of schemas anew for each object; once is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", functools.cache(utils.schema_contents))
        yield
