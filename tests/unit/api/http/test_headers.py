from __future__ import annotations

import pytest
from imagerift_api.http.rate_headers import poll_after_seconds, rate_headers
from imagerift_api.http.tracing import traceparent_of
from imagerift_core.mongo.rate_limit import RateWindow


def test_rate_headers_have_the_form_of_the_draft() -> None:
    assert rate_headers(RateWindow(limit=30, count=1, resets_in_seconds=42)) == {
        "RateLimit-Policy": '"requests";q=30;w=60',
        "RateLimit": '"requests";r=29;t=42',
    }


def test_what_is_left_is_never_below_zero() -> None:
    window = RateWindow(limit=30, count=99, resets_in_seconds=1)

    assert rate_headers(window)["RateLimit"] == '"requests";r=0;t=1'


@pytest.mark.parametrize(
    ("rate", "eta", "pause"),
    [(30, None, 4), (120, None, 1), (30, 1.0, 4), (30, 9.2, 10), (120, 600.0, 30)],
)
def test_the_pause_follows_plan_and_queue(rate: int, eta: float | None, pause: int) -> None:
    assert poll_after_seconds(rate, eta) == pause


def test_a_valid_trace_context_is_kept() -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

    assert traceparent_of(given) == given


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    ],
)
def test_any_other_is_replaced(header: str | None) -> None:
    made = traceparent_of(header)

    assert made != header
    assert traceparent_of(made) == made
