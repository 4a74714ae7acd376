"""Tables in Markdown, as they are pasted into the documentation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Table:
    """A title and rows."""

    title: str
    head: Sequence[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """A row, one cell a column."""
        if len(cells) != len(self.head):
            raise ValueError(f"{len(cells)} cells for {len(self.head)} columns")
        self.rows.append(cells)

    def __str__(self) -> str:
        """In Markdown; the columns line up."""
        everything = [tuple(self.head), *self.rows]
        widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
        lines = [_line(row, widths) for row in everything]
        ruler = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines.insert(1, _line(ruler, widths))
        return f"{self.title}\n\n" + "\n".join(lines) + "\n"


def mean(values: Iterable[float | None], digits: int) -> str:
    """The mean of those that are there; a dash where none is."""
    there = [value for value in values if value is not None]
    return f"{sum(there) / len(there):.{digits}f}" if there else "–"


def percent(part: int, whole: int) -> str:
    """A share; a dash of nothing."""
    return f"{part / whole:.0%}" if whole else "–"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell for cell in cells)
    padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return "| " + " | ".join([first.ljust(widths[0]), *padded]) + " |"
