"""Where the API is and whose key is used: given by the caller, else read from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import httpx

from imagerift.errors import ConfigurationError

URL_VARIABLE = "IMAGERIFT_API_URL"
KEY_VARIABLE = "IMAGERIFT_API_KEY"
ADMIN_VARIABLE = "IMAGERIFT_ADMIN_TOKEN"
DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Connection:
    """A checked address, without a final slash, and a key or token, which no text of this shows."""

    url: str
    api_key: str = field(repr=False)


def connection(url: str | None, api_key: str | None) -> Connection:
    """What was given or, where that is None, what the environment says.

    White space around both is dropped: a key is often pasted or read from a file with its
    newline. Raises `ConfigurationError`, which names what is wrong.
    """
    address = (url if url is not None else os.environ.get(URL_VARIABLE) or DEFAULT_URL).strip()
    key = (api_key if api_key is not None else os.environ.get(KEY_VARIABLE, "")).strip()
    return Connection(_checked_url(address), _checked_key(key, "API key", KEY_VARIABLE))


def admin_connection(url: str) -> Connection:
    """To the admin REST API at `url`, with the token that the environment has.

    Raises `ConfigurationError`, which names what is wrong.
    """
    token = os.environ.get(ADMIN_VARIABLE, "").strip()
    return Connection(
        _checked_url(url.strip()), _checked_key(token, "administrators' token", ADMIN_VARIABLE)
    )


def _checked_url(address: str) -> str:
    try:
        parsed = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"The address {address!r} is not a URL: {error}.") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigurationError(
            f"The address {address!r} is not a URL such as {DEFAULT_URL} ({URL_VARIABLE})."
        )
    return address.rstrip("/")


def _checked_key(key: str, what: str, variable: str) -> str:
    if not key:
        raise ConfigurationError(f"There is no {what}: set {variable} to yours.")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError(
            f"The {what} ({variable}) holds characters that none has; was it cut or quoted?"
        )
    return key
