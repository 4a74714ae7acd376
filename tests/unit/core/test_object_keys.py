"""A key says whose object it is and which attempt wrote it."""

from __future__ import annotations

from typing import get_args

import pytest
from imagerift_contract.values import CONTENT_TYPES, OutputFormat
from imagerift_core import object_keys


def test_every_object_of_a_job_lies_under_its_prefix() -> None:
    source = object_keys.source_key("ws_a", "job-1")
    output = object_keys.output_key("ws_a", "job-1", 2, 7, "jpeg")
    assert source == "workspaces/ws_a/jobs/job-1/source"
    assert output == "workspaces/ws_a/jobs/job-1/2/output-7.jpg"
    thumbnail = object_keys.thumbnail_key("ws_a", "job-1", 2, 7)
    assert thumbnail == "workspaces/ws_a/jobs/job-1/2/thumbnail-7.webp"
    for key in (source, output, thumbnail):
        assert key.startswith(object_keys.job_prefix("ws_a", "job-1"))
        assert key.startswith(object_keys.workspace_prefix("ws_a"))
        assert object_keys.job_of_key(key) == ("ws_a", "job-1")
    for key in (output, thumbnail):
        assert key.startswith(object_keys.attempt_prefix("ws_a", "job-1", 2))


def test_no_prefix_covers_a_neighbour() -> None:
    workspace = object_keys.workspace_prefix("ws_a")
    assert not object_keys.source_key("ws_ab", "j").startswith(workspace)
    job = object_keys.job_prefix("ws_a", "j1")
    assert not object_keys.source_key("ws_a", "j10").startswith(job)
    attempt = object_keys.attempt_prefix("ws_a", "j", 1)
    assert not object_keys.output_key("ws_a", "j", 10, 0, "png").startswith(attempt)


@pytest.mark.parametrize("name", get_args(OutputFormat))
def test_each_format_has_an_extension_and_a_type(name: OutputFormat) -> None:
    assert CONTENT_TYPES[name] == f"image/{name}"
    assert object_keys.output_key("ws_a", "j", 1, 0, name).endswith(object_keys.EXTENSIONS[name])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "source",
        "workspaces/ws_a/uploads/x/y",
        "workspaces/ws_a/jobs/j",
        "other/ws_a/jobs/j/source",
    ],
)
def test_a_key_of_no_job_is_told(key: str) -> None:
    assert object_keys.job_of_key(key) is None
