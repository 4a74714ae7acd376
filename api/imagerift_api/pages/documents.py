"""Fills the pages' placeholders: this installation's address and the live plans."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib import resources
from urllib.parse import urlsplit

from imagerift_contract.values import EXPORT_LONG_EDGE
from imagerift_core.plans import Plan, Plans

_PAGES = resources.files("imagerift_api") / "pages"
_FOLDER = _PAGES / "files"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
}


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    content_type: str
    etag: str


def load_folder(name: str) -> dict[str, Asset]:
    """The files beside this one in folder `name` that are sent as they are, by file name."""
    found = {}
    for entry in (_PAGES / name).iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if suffix in _TYPES:
            body = entry.read_bytes()
            found[entry.name] = Asset(body, _TYPES[suffix], hashlib.sha256(body).hexdigest()[:16])
    return found


def page(name: str, placeholders: Mapping[str, str]) -> str:
    """The page `name` with its placeholders filled; values are HTML already."""
    text = (_FOLDER / name).read_text()
    for placeholder, value in placeholders.items():
        text = text.replace("{{" + placeholder + "}}", value)
    return text


def inline(text: str) -> str:
    """Escaped text in which every second piece between backticks is code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(pieces))


def content_security_policy(picture_origin: str) -> str:
    """Scripts and styles from here alone; pictures from here and from the object store."""
    parts = urlsplit(picture_origin)
    pictures = f"{parts.scheme}://{parts.netloc}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' blob: {pictures}",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def plan_rows(plans: Plans) -> str:
    """A table row for each plan, as the plans file has them."""
    return "\n".join(_plan_row(name, plan) for name, plan in plans.items())


def limits_sentence(plans: Plans) -> str:
    """The API's limits in words, by plan."""
    said = [
        f"{escape(name.capitalize())} {plan.requests_per_minute:,} a minute"
        for name, plan in plans.items()
        if plan.api_access
    ]
    return ", ".join(said) + "."


def _plan_row(name: str, plan: Plan) -> str:
    access = "yes" if plan.api_access else "no"
    mark = "Included" if plan.api_access else "Locked"
    rate = f"{plan.requests_per_minute:,} / min" if plan.api_access else "–"
    scope = "shared by the team" if plan.quota_scope == "team" else "per account"
    largest = f"{plan.max_export.upper() if plan.max_export != 'base' else 'Base'}"
    return (
        f'<tr><th scope="row">{escape(name.capitalize())}</th>'
        f'<td data-label="API access"><span class="mark mark-{access}">{mark}</span></td>'
        f'<td data-label="API rate">{rate}</td>'
        f'<td data-label="Monthly quota"><span>{plan.units_per_month:,} '
        f'<span class="quiet">{scope}</span></span></td>'
        f'<td data-label="At once"><span>{_jobs(plan.concurrent_jobs)} '
        f'<span class="quiet">{_waiting(plan.queue_units)}</span></span></td>'
        f'<td data-label="Largest export"><span>{largest} '
        f'<span class="quiet">{EXPORT_LONG_EDGE[plan.max_export]:,} px</span></span></td>'
        f'<td data-label="Kept for">{plan.retention_days} days</td></tr>'
    )


def _jobs(count: int | None) -> str:
    if count is None:
        return "no limit"
    return f"{count:,} job" if count == 1 else f"{count:,} jobs"


def _waiting(units: int | None) -> str:
    return "" if units is None else f"up to {units:,} waiting"
