"""What `Accept` and `Accept-Encoding` ask for."""

from __future__ import annotations

import pytest
from imagerift_api.http.accepting import accepts_gzip, prefers_html, prefers_json

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("header", "html", "json"),
    [
        (BROWSER, True, False),
        ("", False, False),
        ("*/*", False, False),
        ("application/json", False, True),
        ("text/html;q=0.5, application/json", False, True),
        ("text/html, application/json", False, False),
        ("TEXT/HTML; q=0.2", True, False),
        ("text/html;q=0", False, False),
        ("text/html;q=nonsense", False, False),
    ],
)
def test_a_page_is_for_who_names_it_first(header: str, html: bool, json: bool) -> None:
    assert prefers_html(header) is html
    assert prefers_json(header) is json


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip, deflate, br", True),
        ("GZIP;q=0.1", True),
        ("x-gzip", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("notgzip", False),
    ],
)
def test_gzip_is_sent_to_who_takes_it(header: str, taken: bool) -> None:
    assert accepts_gzip(header) is taken
