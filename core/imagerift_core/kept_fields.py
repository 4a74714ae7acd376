"""Which fields of a manifest an API server has not kept."""

from __future__ import annotations

from typing import Any


def not_kept(asked: Any, kept: Any, path: str = "") -> list[str]:
    """The paths of what `asked` has and `kept` has not, as `spec.template.spec.resourceClaims`.

    A server drops without a word what it does not know, and what it has switched off. Another
    value is no loss, and an empty one says nothing: servers leave it out. Items of a list are told
    apart by their names.
    """
    lost: list[str] = []
    if isinstance(asked, dict):
        there = kept if isinstance(kept, dict) else {}
        for name, value in asked.items():
            where = f"{path}.{name}" if path else name
            if not value:
                continue
            lost += not_kept(value, there[name], where) if name in there else [where]
    elif isinstance(asked, list):
        for place, item in enumerate(asked):
            where = f"{path}[{_name(item) or place}]"
            alike = [each for each in kept or () if _name(each) == _name(item)]
            missing = [not_kept(item, each, where) for each in alike] or [[where]]
            lost = [*lost, *min(missing, key=len)]
    return lost


def _name(item: Any) -> str | None:
    return item.get("name") if isinstance(item, dict) else None
