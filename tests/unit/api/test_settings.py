"""Settings of the API that would open something where they are misread."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_api.settings import ApiSettings
from pydantic import ValidationError


def settings(**changes: Any) -> ApiSettings:
    values: dict[str, Any] = {
        "mongo_url": "mongodb://127.0.0.1/",
        "s3_internal_url": "http://127.0.0.1:8333",
        "s3_public_url": "http://127.0.0.1:8333",
        "s3_access_key": "a",
        "s3_secret_key": "b",
        "key_pepper": "5e" * 32,
        "public_url": "https://images.example",
        "oidc_client_id": "c",
    }
    return ApiSettings.model_validate(values | changes)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://id.example",
        "https://id.example:8443/realms/one",
        "http://127.0.0.1:9000",
        "http://[::1]:9000/",
    ],
)
def test_an_issuer_is_https_or_on_this_machine(issuer: str) -> None:
    assert settings(oidc_issuer=issuer).oidc_issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1:9000@evil.example/",
        "http://[::1].evil.example",
        "http://[::1]@evil.example",
        "http://127.0.0.10",
        "http://localhost:9000",
        "https://",
        "https:///realms",
        "https://user@id.example",
        "https://id.example?x=1",
        "https://id.example#x",
        "https://id.example:port",
        "ftp://127.0.0.1",
        "id.example",
        "",
    ],
)
def test_no_other_issuer_is_taken(issuer: str) -> None:
    with pytest.raises(ValidationError):
        settings(oidc_issuer=issuer)


@pytest.mark.parametrize(
    ("public_url", "https"),
    [("https://images.example", True), ("http://images.example", False), (None, False)],
)
def test_browsers_are_kept_to_https_where_the_public_url_says_so(
    public_url: str | None, https: bool
) -> None:
    assert settings(public_url=public_url).is_https is https
