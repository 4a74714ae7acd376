"""The networks that can be fetched: `triton_models/weights.toml`."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from imagerift_vision.weights.families import check_place

CATALOGUE = Path(__file__).resolve().parents[2] / "weights.toml"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One network that can be fetched."""

    name: str
    slot: str
    family: str
    licence: str
    addresses: tuple[str, ...]
    """Where the same file lies; they are tried in order."""
    sha256: str
    size: int
    """Bytes."""
    tried: bool = False
    """Whether the embedded platform fetches it by itself."""
    terms: str | None = None
    """What to know of its licence; only who accepts it gets the file."""

    def __post_init__(self) -> None:
        """Raises ValueError where the table is wrong."""
        check_place(self.slot, self.family)
        if not (NAME.fullmatch(self.name) and SHA256.fullmatch(self.sha256) and self.size > 0):
            raise ValueError(f"{self.name}: its name, checksum or size is none")
        if not self.addresses or (self.tried and self.terms):
            raise ValueError(f"{self.name}: it has no address, or terms that nobody accepts")


def read_catalogue(path: Path = CATALOGUE) -> dict[str, Entry]:
    """The networks by name, the better one of a slot first.

    Raises ValueError where the table is wrong, OSError where there is none.
    """
    found = {}
    for name, table in tomllib.loads(path.read_text()).items():
        try:
            addresses = tuple(table.pop("addresses"))
            found[name] = Entry(name, addresses=addresses, size=table.pop("bytes"), **table)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}, {name}: {error}") from None
    return found
