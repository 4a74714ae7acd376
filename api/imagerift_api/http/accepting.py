"""What a client's `Accept` and `Accept-Encoding` say (RFC 9110, section 12.5)."""

from __future__ import annotations

_HTML = ("text/html", "application/xhtml+xml")
_JSON = ("application/json", "application/problem+json")


def prefers_html(accept: str) -> bool:
    """Whether HTML is named, and no JSON is named that is wanted as much: what browsers send."""
    weights = _weights(accept)
    html = max((weights.get(name, 0.0) for name in _HTML), default=0.0)
    return html > 0 and html > max(weights.get(name, 0.0) for name in _JSON)


def prefers_json(accept: str) -> bool:
    """Whether JSON is named, and wanted more than HTML."""
    weights = _weights(accept)
    json = max(weights.get(name, 0.0) for name in _JSON)
    return json > max(weights.get(name, 0.0) for name in _HTML)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip may be sent: named or covered by `*`, and not by a weight of 0."""
    weights = _weights(accept_encoding)
    named = weights.get("gzip", weights.get("x-gzip"))
    return (weights.get("*", 0.0) if named is None else named) > 0


def _weights(header: str) -> dict[str, float]:
    """Name to weight; a weight that cannot be read is 0."""
    weights = {}
    for part in header.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        weights[name] = weight
    return weights
