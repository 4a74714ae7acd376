"""`python -m charts.schema` writes every generated file of the charts."""

from __future__ import annotations

from charts.schema.write import write

write()
