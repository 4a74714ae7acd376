"""The reference page: the OpenAPI document as plain HTML, complete without any script."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from imagerift_api.pages import documents

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_SHAPES = "shapes"


def reference_page(document: dict[str, Any]) -> str:
    """The page of `document`; every text in it is escaped."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    contents, body = [], []
    for tag in [tag["name"] for tag in document["tags"]]:
        own = [item for item in operations if item[2]["tags"] == [tag]]
        contents.append(_heading_link(tag))
        contents.append("<ul>" + "".join(_link(operation) for _, _, operation in own) + "</ul>")
        body.append(_heading(tag))
        body += [_operation(*item) for item in own]
    contents.append(_heading_link(_SHAPES))
    body.append(_heading(_SHAPES))
    body += [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    info = document["info"]
    return documents.page(
        "reference.html",
        {
            "TITLE": escape(info["title"]),
            "DESCRIPTION": _prose(info["description"]),
            "CONTENTS": "".join(contents),
            "BODY": "".join(body),
        },
    )


def _heading(name: str) -> str:
    return f'<h2 id="{_anchor(name)}">{escape(name[:1].upper() + name[1:])}</h2>'


def _heading_link(name: str) -> str:
    return f'<a href="#{_anchor(name)}">{escape(name[:1].upper() + name[1:])}</a>'


def _anchor(name: str) -> str:
    return "part-" + escape(name.lower().replace(" ", "-"))


def _link(operation: dict[str, Any]) -> str:
    name, summary = escape(operation["operationId"]), escape(operation["summary"])
    return f'<li><a href="#{name}" title="{summary}">{summary}</a></li>'


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<section class="operation" id="{escape(operation["operationId"])}">'
        f"<h3>{escape(operation['summary'])}</h3>",
        f'<div class="endpoint"><span class="method method-{escape(method)}">{escape(method)}'
        f"</span> <span>{escape(path)}</span></div>",
        _prose(operation.get("description", "")),
        _parameters(operation.get("parameters", [])),
    ]
    if "requestBody" in operation:
        parts.append("<h4>Body</h4>" + _content(operation["requestBody"]["content"]))
    parts.append('<h4>Answers</h4><div class="answers">')
    for status, response in operation["responses"].items():
        parts.append(
            f'<details><summary><span class="status status-{escape(status[:1])}">{escape(status)}'
            f"</span><span>{documents.inline(response['description'])}</span></summary>"
            f'<div class="inside">{_content(response.get("content", {}))}</div></details>'
        )
    return "".join(parts) + "</div></section>"


def _parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td>"
        f"<td>{_kind(item['schema'])}</td>"
        f"<td>{documents.inline(item.get('description', ''))}</td></tr>"
        for item in parameters
    )
    return (
        '<h4>Parameters</h4><div class="scroll"><table><thead><tr>'
        '<th scope="col">Parameter</th><th scope="col">In</th>'
        '<th scope="col">Form</th><th scope="col">Meaning</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
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
        f'<td class="always">{"always" if field in required else ""}</td>'
        f"<td>{documents.inline(entry.get('description', ''))}</td></tr>"
        for field, entry in schema.get("properties", {}).items()
    )
    return (
        f'<details class="shape" id="shape-{escape(name)}"><summary><code>{escape(name)}</code>'
        f"</summary>{_prose(schema.get('description', ''))}"
        '<div class="scroll"><table><thead><tr><th scope="col">Field</th><th scope="col">Form</th>'
        '<th scope="col">There</th><th scope="col">Meaning</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
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
        _range(schema.get("minimum"), schema.get("maximum"), ""),
        _range(schema.get("minLength"), schema.get("maxLength"), " characters"),
    ]
    return ", ".join([kind, *filter(None, bounds)])


def _range(least: Any, most: Any, of: str) -> str:
    if least is None and most is None:
        return ""
    if least is None:
        return f"at most {most:,}{of}"
    return f"at least {least:,}{of}" if most is None else f"{least:,} to {most:,}{of}"


def _json(value: Any) -> str:
    return f"<pre><code>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</code></pre>"


def _prose(text: str) -> str:
    return "".join(f"<p>{documents.inline(part)}</p>" for part in text.split("\n\n") if part)
