"""A folder of networks: each a file with a note beside it, and which of them are in use."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from imagerift_vision.weights.catalogue import NAME, read_catalogue
from imagerift_vision.weights.families import SLOTS, check_place

VARIABLE = "IMAGERIFT_WEIGHTS"
IN_USE = "in-use.json"
# In place of a network's name: the one of the package.
PACKAGED = "packaged"


@dataclass(frozen=True)
class Network:
    """A network on a shelf."""

    name: str
    path: Path
    slot: str
    family: str
    licence: str
    sha256: str

    def check(self) -> None:
        """Raises ValueError where the file is not the one that was put there."""
        try:
            found = digest_of(self.path)
        except OSError as error:
            raise ValueError(f"the network {self.name}: {error}") from None
        if found != self.sha256:
            raise ValueError(f"the network {self.name}: {self.path} has another checksum, {found}")


@dataclass(frozen=True)
class Shelf:
    """The folder; None is one with nothing in it. Models only read it."""

    root: Path | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Shelf":
        """The folder that IMAGERIFT_WEIGHTS names.

        Raises ValueError where it names none that is there.
        """
        named = environment.get(VARIABLE)
        if named and not Path(named).is_dir():
            raise ValueError(f"{VARIABLE}: there is no folder {named}")
        return cls(Path(named) if named else None)

    def networks(self) -> dict[str, Network]:
        """All that is there, by name."""
        notes = sorted(self.root.glob("*.onnx.json")) if self.root else []
        return self._mounted() | {network.name: network for network in map(_read, notes)}

    def _mounted(self) -> dict[str, Network]:
        """Networks of the catalogue in folders of their own, as a cluster mounts ModelWeights."""
        files = {path.stem: path for path in self.root.glob("*/*.onnx")} if self.root else {}
        known = read_catalogue().values() if files else ()
        return {
            one.name: Network(
                one.name, files[one.name], one.slot, one.family, one.licence, one.sha256
            )
            for one in known
            if one.name in files
        }

    def choices(self) -> dict[str, str]:
        """The name of the network in use by slot, `packaged` for that of the package.

        Slots for which nothing was chosen have the better one of the networks that are mounted,
        and are not there where none is.
        """
        mounted = {one.slot: one.name for one in reversed(self._mounted().values())}
        path = self.root / IN_USE if self.root else None
        if path is None or not path.exists():
            return mounted
        chosen = json.loads(path.read_text())
        return mounted | {slot: str(name) for slot, name in chosen.items() if slot in SLOTS}

    def used(self, slot: str) -> Network | None:
        """The network in use in the slot; None for the package's.

        Raises ValueError where it is not there, or fits no such slot.
        """
        name = self.choices().get(slot, PACKAGED)
        if name == PACKAGED:
            return None
        network = self.networks().get(name)
        if network is None or network.slot != slot:
            raise ValueError(f"{self.root} holds no network {name} for the slot {slot}")
        check_place(network.slot, network.family)
        return network

    def use(self, slot: str, name: str) -> None:
        """Have the models take that network from their next start on.

        Raises ValueError where it is not there, or fits no such slot.
        """
        if slot not in SLOTS:
            raise ValueError(f"there is no slot {slot}: {', '.join(SLOTS)}")
        known = self.networks()
        if name != PACKAGED and (name not in known or known[name].slot != slot):
            raise ValueError(f"{self.root} holds no network {name} for the slot {slot}")
        _replace(self._folder() / IN_USE, json.dumps(self.choices() | {slot: name}, indent=2))

    def put(self, file: Path, network: Network) -> Network:
        """Take a file in, by copy, with the note beside it; what had the name is replaced.

        Raises ValueError where the name is none.
        """
        if not NAME.fullmatch(network.name) or network.name == PACKAGED:
            raise ValueError(f"{network.name} is no name: small letters, digits and . _ -")
        kept = self.place(network.name)
        if file.resolve() != kept.resolve():
            scratch = kept.with_suffix(".new")
            shutil.copyfile(file, scratch)
            scratch.replace(kept)
        note = asdict(network)
        del note["name"], note["path"]
        _replace(kept.with_name(f"{kept.name}.json"), json.dumps(note, indent=2))
        return self.networks()[network.name]

    def place(self, name: str) -> Path:
        """Where the file of that name lies, or would lie."""
        return self._folder() / f"{name}.onnx"

    def _folder(self) -> Path:
        if self.root is None:
            raise ValueError("there is no folder of networks")
        self.root.mkdir(parents=True, exist_ok=True)
        return self.root


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def summary(shelf: Shelf) -> str:
    """Which network is in use in each slot, in one line."""
    told = []
    for slot, place in SLOTS.items():
        used = shelf.used(slot)
        told.append(f"{slot} {used.name if used else place.packaged or 'none'}")
    return ", ".join(told)


def _read(note: Path) -> Network:
    path = note.with_suffix("")
    try:
        return Network(name=path.stem, path=path, **json.loads(note.read_text()))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{note} is no note of a network: {error}") from None


def _replace(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(f"{text}\n")
    scratch.replace(path)
