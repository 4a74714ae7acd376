"""What the charts take from elsewhere: values and their schemas, definitions, the version."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from imagerift_core import crds
from pydantic import BaseModel

from charts.schema.values import CrdsValues, Values

CHARTS = Path(__file__).resolve().parents[1]
GENERATED = "# Written by `make charts` from charts/schema; change it there."
WIDTH = 96


def values_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema by which Helm checks values."""
    schema = model.model_json_schema(by_alias=True)
    # Helm hands `global` down to every subchart.
    schema["properties"].setdefault("global", {"type": "object"})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def values_text(model: BaseModel) -> str:
    """values.yaml: each key with its default and its description as a comment."""
    return "\n".join([GENERATED, *_lines(model, 0)]) + "\n"


def _lines(model: BaseModel, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        key = field.alias or name
        nested = isinstance(value, BaseModel)
        about = field.description or (type(value).__doc__ if nested else None)
        if depth == 0:
            yield ""
        if about:
            for line in textwrap.wrap(" ".join(about.split()), WIDTH - len(indent)):
                yield f"{indent}# {line}"
        if nested:
            yield f"{indent}{key}:"
            yield from _lines(value, depth + 1)
        else:
            text = yaml.safe_dump({key: _plain(model, name)}, sort_keys=False, width=WIDTH)
            yield textwrap.indent(text.rstrip(), indent)


def _plain(model: BaseModel, name: str) -> Any:
    value = getattr(model, name)
    if isinstance(value, dict) and any(isinstance(entry, BaseModel) for entry in value.values()):
        # Of what users name themselves only what is said: the chart knows the rest.
        return {
            entry: part.model_dump(mode="json", by_alias=True, exclude_unset=True)
            for entry, part in value.items()
        }
    return model.model_dump(mode="json", include={name})[name]


def chart_text(chart: Path) -> str:
    """Chart.yaml with the one version of all parts, which is also the tag of its images."""
    version = (CHARTS.parent / "VERSION").read_text().strip()
    text = (CHARTS / chart / "Chart.yaml").read_text()
    text = re.sub(r"^version: .*$", f"version: {version}", text, flags=re.MULTILINE)
    return re.sub(r"^appVersion: .*$", f'appVersion: "{version}"', text, flags=re.MULTILINE)


def files() -> dict[Path, str]:
    """Path below charts/ to text of everything that is generated."""
    main, definitions = Path("imagerift"), Path("imagerift-crds")
    texts = {
        main / "Chart.yaml": chart_text(main),
        definitions / "Chart.yaml": chart_text(definitions),
        main / "values.yaml": values_text(Values()),
        main / "values.schema.json": _json(values_schema(Values)),
        definitions / "values.yaml": values_text(CrdsValues()),
        definitions / "values.schema.json": _json(values_schema(CrdsValues)),
    }
    copies = {definitions / "files" / name: text for name, text in sorted(crds.manifests().items())}
    return texts | copies


def write(folder: Path = CHARTS) -> None:
    for path, text in files().items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
