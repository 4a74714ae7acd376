"""Writes the models' JSON Schemas: `python -m imagerift_core.model_schemas DIR`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from imagerift_core.model_documents import (
    ControlAnswer,
    ControlCommand,
    GenerateRequest,
    ModeInfo,
    ModelAnswer,
    ModeParameters,
)

DOCUMENTS: dict[str, type[BaseModel]] = {
    "request": GenerateRequest,
    "result": ModelAnswer,
    "parameters": ModeParameters,
    "info": ModeInfo,
    "command": ControlCommand,
    "control": ControlAnswer,
}


class _WithoutTitles(GenerateJsonSchema):
    """Leaves out the titles of members, which would be their names once more."""

    def field_title_should_be_set(self, _schema: object) -> bool:
        return False


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON Schema, which names its own dialect."""
    schema = model.model_json_schema(
        by_alias=True, mode="validation", schema_generator=_WithoutTitles
    )
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def files() -> dict[str, str]:
    """The schemas' texts by file name."""
    return {
        f"{name}.schema.json": json.dumps(json_schema(model), indent=2, ensure_ascii=False) + "\n"
        for name, model in DOCUMENTS.items()
    }


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
