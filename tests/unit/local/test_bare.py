"""What the walk of a minimal root reads and prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from imagerift_local.demo import DEMO_PLANS, DemoAccount, describe_demo

from tests.bare.__main__ import table
from tests.bare.walk import WalkError, printed_calls


def test_the_two_calls_are_read_as_they_are_printed() -> None:
    accounts = {plan: DemoAccount(plan, "ws_1", f"ir_live_{plan}") for plan in DEMO_PLANS}
    printed = describe_demo(accounts, "x", "http://127.0.0.1:8080", Path("/a/sample.jpg"))
    generate, poll = printed_calls(f"api: ready\n{printed}\nImageRift is ready\n")
    assert generate.startswith("curl -X POST http://127.0.0.1:8080/api/v1/generate")
    assert generate.endswith("\nEOF")
    assert poll.startswith("curl -X GET http://127.0.0.1:8080/api/v1/jobs/JOB_ID")


def test_a_start_that_prints_no_calls_is_told_so() -> None:
    with pytest.raises(WalkError, match="were not printed"):
        printed_calls("ImageRift is ready\n")


def test_a_step_that_was_not_reached_has_no_time_in_the_table() -> None:
    lines = table({"Debian 12": {"ready": 61.4, "picture": 70.0}, "Debian 13": {"ready": 59.6}})
    assert lines.splitlines()[3:] == ["| ready | 61 | 60 |", "| picture | 70 | – |"]
