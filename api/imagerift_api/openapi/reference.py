"""The reference page: the OpenAPI document as plain HTML, complete without any script."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a3f4a);
  --soft: light-dark(#f4f6f9, #1d2027); --ink: light-dark(#1b1f27, #e8eaee);
  --paper: light-dark(#fff, #14161b); --accent: light-dark(#0b5cad, #7db8f5); }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper);
  font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 58rem; margin: 0 auto; padding: 1.5rem 1rem 5rem; }
a { color: var(--accent); }
nav ul { columns: 18rem; padding-left: 1.2rem; }
h2 { margin-top: 3rem; } section { border-top: 1px solid var(--line); padding: 1rem 0; }
code, pre { font: .875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
  padding: .75rem; overflow: auto; max-height: 26rem; }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem;
  border-bottom: 1px solid var(--line); }
.method { font-weight: 700; margin-right: .4rem; }
summary { cursor: pointer; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def reference_page(document: dict[str, Any]) -> str:
    """The page of `document`; every text in it is escaped."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    tags = [tag["name"] for tag in document["tags"]]
    contents = "".join(
        f'<li><a href="#{escape(op["operationId"])}">{_title(method, path)}</a></li>'
        for method, path, op in operations
    )
    parts = []
    for tag in tags:
        parts.append(f"<h2>{escape(tag)}</h2>")
        parts += [_operation(m, p, op) for m, p, op in operations if op["tags"] == [tag]]
    parts.append("<h2>Shapes</h2>")
    parts += [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} reference</title><style>{STYLE}</style></head><body>"
        f"<main><h1>{escape(info['title'])} reference</h1>{_prose(info['description'])}"
        '<p>The same as data: <a href="/api/v1/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
        f'<nav aria-label="Operations"><ul>{contents}</ul></nav>{"".join(parts)}'
        "</main></body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<section id="{escape(operation["operationId"])}"><h3>{_title(method, path)}</h3>',
        f"<p>{escape(operation['summary'])}</p>",
        _prose(operation.get("description", "")),
        _parameters(operation.get("parameters", [])),
    ]
    if "requestBody" in operation:
        parts.append("<h4>Body</h4>" + _content(operation["requestBody"]["content"]))
    parts.append("<h4>Answers</h4>")
    for status, response in operation["responses"].items():
        parts.append(
            f"<details><summary><strong>{escape(status)}</strong> "
            f"{_inline(response['description'])}</summary>"
            f"{_content(response.get('content', {}))}</details>"
        )
    return "".join(parts) + "</section>"


def _title(method: str, path: str) -> str:
    return f'<code><span class="method">{escape(method)}</span>{escape(path)}</code>'


def _parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td>"
        f"<td>{_kind(item['schema'])}</td><td>{_inline(item.get('description', ''))}</td></tr>"
        for item in parameters
    )
    return (
        '<table><thead><tr><th scope="col">Parameter</th><th scope="col">In</th>'
        f'<th scope="col">Form</th><th scope="col">Meaning</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _content(content: dict[str, Any]) -> str:
    parts = []
    for kind, media in content.items():
        parts.append(f"<p><code>{escape(kind)}</code>: {_kind(media.get('schema', {}))}</p>")
        if "example" in media:
            parts.append(_json(media["example"]))
        for name, example in media.get("examples", {}).items():
            parts.append(
                f"<details><summary><code>{escape(name)}</code></summary>"
                f"{_json(example['value'])}</details>"
            )
    return "".join(parts)


def _shape(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_kind(entry)}</td>"
        f"<td>{'always' if field in required else ''}</td>"
        f"<td>{_inline(entry.get('description', ''))}</td></tr>"
        for field, entry in schema.get("properties", {}).items()
    )
    return (
        f'<section id="shape-{escape(name)}"><h3><code>{escape(name)}</code></h3>'
        f"{_prose(schema.get('description', ''))}"
        '<table><thead><tr><th scope="col">Field</th><th scope="col">Form</th>'
        '<th scope="col">There</th><th scope="col">Meaning</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words, with links to the shapes that it names."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#shape-{name}">{name}</a>'
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            named = [_kind(choice) for choice in schema[word] if "properties" not in choice]
            return " or ".join(dict.fromkeys(named))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"<code>{escape(json.dumps(value))}</code>" for value in values)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = escape(str(schema.get("format") or schema.get("type") or "any"))
    bounds = [
        f"{words} {schema[key]}"
        for key, words in (
            ("minimum", "at least"),
            ("maximum", "at most"),
            ("minLength", "characters at least"),
            ("maxLength", "characters at most"),
        )
        if key in schema
    ]
    return ", ".join([kind, *bounds])


def _json(value: Any) -> str:
    return f"<pre><code>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</code></pre>"


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n") if part)


def _inline(text: str) -> str:
    """Escaped text in which every second piece between backticks is code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(pieces))
