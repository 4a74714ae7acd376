"""The models' networks in a folder: what there is, what can be fetched, what is in use.

    python triton_models/tools/weights.py --folder FOLDER list
    … pull NAME [--accept-terms]                            fetches a network of the catalogue
    … add FILE --slot SLOT --family FAMILY [--name NAME]    takes in a file of your own
    … use SLOT NAME                                         `packaged` goes back to the package's
    … try                                                   fetches what is free and better
    … manifest NAME [--accept-terms]                        prints a ModelWeights for a cluster

What is pulled, added or used is in use from the models' next start on, after it has run once.
docs/models.md tells the slots and families. Run it with the models' Python; only to fetch a file or
to take one in it needs more than Python itself.
"""

import argparse
import fcntl
import importlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imagerift_vision.weights.catalogue import CATALOGUE, Entry, read_catalogue
from imagerift_vision.weights.download import Patience, UnavailableError, fetch
from imagerift_vision.weights.families import FAMILIES, SLOTS, check_place
from imagerift_vision.weights.shelf import (
    PACKAGED,
    Network,
    Shelf,
    digest_of,
    summary,
)

HOUR = 3600.0
# A machine that may not reach the addresses must not wait at each start.
TRY_AGAIN = 24 * HOUR
IMPATIENT = Patience(silence=3.0)
MEGABYTE = 1_000_000
# These wait for nobody, and leave no trace.
READING = frozenset({"list", "manifest", "told"})


def show(shelf: Shelf, catalogue: dict[str, Entry]) -> Iterator[str]:
    """The table of `list`."""
    here = shelf.networks()
    rows = [("NAME", "SLOT", "FAMILY", "LICENCE", "SIZE", "STATE", "IN USE")]
    for slot, place in SLOTS.items():
        used = shelf.choices().get(slot, PACKAGED)
        if place.packaged:
            marked = "yes" if used == PACKAGED else ""
            rows.append((place.packaged, slot, "", "", "", PACKAGED, marked))
        names = [entry.name for entry in catalogue.values() if entry.slot == slot]
        own = [network.name for network in here.values() if network.slot == slot]
        for name in dict.fromkeys([*names, *own]):
            known = here.get(name) or catalogue[name]
            size, state = _state(name, shelf, catalogue)
            marked = "yes" if used == name else ""
            rows.append((name, slot, known.family, known.licence, size, state, marked))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def pull(shelf: Shelf, entry: Entry, patience: Patience, refused: dict[str, str]) -> Network:
    """Fetch a network of the catalogue, and use it.

    Raises UnavailableError where it cannot be had, ValueError where it does not run.
    """
    place = shelf.place(entry.name)
    if not (entry.name in shelf.networks() and digest_of(place) == entry.sha256):
        part = fetch(entry, _part(shelf, entry.name), patience, refused)
        _prove(part, entry.family)
        part.replace(place)
    _refusal(shelf, entry.name).unlink(missing_ok=True)
    network = Network(entry.name, place, entry.slot, entry.family, entry.licence, entry.sha256)
    kept = shelf.put(place, network)
    shelf.use(entry.slot, entry.name)
    return kept


def add(
    shelf: Shelf, catalogue: dict[str, Entry], file: Path, place: tuple[str, str], name: str | None
) -> Network:
    """Take in a file that runs as its family does, and use it; `place` is slot and family.

    Raises ValueError where it does not, OSError where it cannot be read.
    """
    slot, family = place
    check_place(slot, family)
    if file.suffix != ".onnx":
        raise ValueError(f"{file.name}: only ONNX is taken; a pickle would run whatever it holds")
    digest = digest_of(file)
    _prove(file, family)
    known = next((entry for entry in catalogue.values() if entry.sha256 == digest), None)
    name = name or (known.name if known else file.stem.lower())
    licence = known.licence if known else "not known"
    kept = shelf.put(file, Network(name, file, slot, family, licence, digest))
    shelf.use(slot, name)
    return kept


def try_all(shelf: Shelf, catalogue: dict[str, Entry]) -> Iterator[str]:
    """Fetch the first network of each slot that is tried and for which nothing was chosen."""
    refused: dict[str, str] = {}
    for slot in SLOTS:
        wanted = [entry for entry in catalogue.values() if entry.slot == slot and entry.tried]
        if not wanted or slot in shelf.choices():
            continue
        entry, packaged = wanted[0], SLOTS[slot].packaged
        refusal = _refusal(shelf, entry.name)
        age = time.time() - refusal.stat().st_mtime if refusal.exists() else TRY_AGAIN
        if 0 <= age < TRY_AGAIN:
            yield f"{entry.name} was not to be had; tried again in a day, or without {refusal}"
            continue
        yield f"trying {entry.name} ({entry.size / MEGABYTE:.0f} MB, {entry.licence})"
        try:
            pull(shelf, entry, IMPATIENT, refused)
        except (OSError, UnavailableError, ValueError) as error:
            # A full disk is a reason too.
            with suppress(OSError):
                refusal.write_text(f"{error}\n")
            yield f"{entry.name} cannot be had ({error}); {packaged} stays"


def manifest(entry: Entry) -> str:
    """A ModelWeights of the network, in JSON, which kubectl takes as it does YAML."""
    mebibytes = -(-entry.size // (1 << 20))
    spec = {
        "source": entry.addresses[0],
        "checksums": {f"{entry.name}.onnx": entry.sha256},
        "acceptLicence": entry.licence,
        # With room for the file system's own.
        "storage": {"size": f"{mebibytes + mebibytes // 8 + 16}Mi"},
    }
    made = {
        "apiVersion": "imagerift.dev/v1",
        "kind": "ModelWeights",
        "metadata": {"name": entry.name},
        "spec": spec,
    }
    return json.dumps(made, indent=2)


def told(shelf: Shelf) -> str:
    """What is in use, as the embedded platform's board shows it.

    Raises ValueError where that cannot be used, or there is no folder.
    """
    if shelf.root is None or not shelf.root.is_dir():
        raise ValueError(f"there is no folder {shelf.root}")
    own = sum(shelf.used(slot) is not None for slot in SLOTS)
    return f"{own} of {len(SLOTS)} networks from {shelf.root}: {summary(shelf)}"


def main() -> int:
    """Do what the arguments say."""
    options = _parser().parse_args()
    shelf = Shelf(options.folder)
    try:
        catalogue = read_catalogue(options.catalogue)
        with nullcontext() if options.command in READING else _alone(shelf):
            for line in _lines(options, shelf, catalogue):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    except (OSError, ValueError, UnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _lines(options: argparse.Namespace, shelf: Shelf, catalogue: dict[str, Entry]) -> Iterator[str]:
    if options.command == "list":
        yield from show(shelf, catalogue)
    elif options.command == "manifest":
        yield manifest(_accepted(options, catalogue))
    elif options.command == "pull":
        entry = _accepted(options, catalogue)
        yield f"fetching {entry.name} ({entry.size / MEGABYTE:.0f} MB, {entry.licence})"
        pull(shelf, entry, Patience(), {})
        yield f"{entry.slot}: {entry.name} from the models' next start on"
    elif options.command == "add":
        place = (options.slot, options.family)
        network = add(shelf, catalogue, options.file, place, options.name)
        yield f"{network.name}: sha256 {network.sha256}, licence {network.licence}"
        yield f"{network.slot}: {network.name} from the models' next start on"
    elif options.command == "use":
        shelf.use(options.slot, options.name)
        yield f"{options.slot}: {options.name} from the models' next start on"
    else:
        if options.command == "try":
            yield from (f"step: {line}" for line in try_all(shelf, catalogue))
        yield f"step: {told(shelf)}"


def _accepted(options: argparse.Namespace, catalogue: dict[str, Entry]) -> Entry:
    """The network that is named; raises ValueError where it has terms that were not accepted."""
    entry = catalogue.get(options.name)
    if entry is None:
        raise ValueError(f"the catalogue has no {options.name}: {', '.join(catalogue)}")
    if entry.terms and not options.accept_terms:
        raise ValueError(f"{entry.name}: {entry.terms} To fetch it all the same: --accept-terms")
    return entry


def _prove(file: Path, family: str) -> None:
    """Run the network once, as the models do."""
    importlib.import_module("imagerift_vision.networks").OnnxNetwork(file, family, 1).prove()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="weights", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--catalogue", type=Path, default=CATALOGUE)
    commands = parser.add_subparsers(dest="command", required=True)
    for plain in ("list", "try", "told"):
        commands.add_parser(plain)
    for of_the_catalogue in ("pull", "manifest"):
        named = commands.add_parser(of_the_catalogue)
        named.add_argument("name")
        named.add_argument("--accept-terms", action="store_true")
    added = commands.add_parser("add")
    added.add_argument("file", type=Path)
    added.add_argument("--slot", required=True, choices=SLOTS)
    added.add_argument("--family", required=True, choices=FAMILIES)
    added.add_argument("--name")
    used = commands.add_parser("use")
    used.add_argument("slot", choices=SLOTS)
    used.add_argument("name")
    return parser


@contextmanager
def _alone(shelf: Shelf) -> Iterator[None]:
    """Two starts at once fetch a file once: the second waits."""
    root = shelf.place("any").parent
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _state(name: str, shelf: Shelf, catalogue: dict[str, Entry]) -> tuple[str, str]:
    """Size and state of a network, for the table."""
    if name in shelf.networks():
        return _megabytes(shelf.place(name).stat().st_size), "here"
    size, part = catalogue[name].size, _part(shelf, name)
    if part.exists():
        return _megabytes(size), f"{_megabytes(part.stat().st_size)} of it here"
    return _megabytes(size), "refused" if _refusal(shelf, name).exists() else "not here"


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"


def _part(shelf: Shelf, name: str) -> Path:
    return shelf.place(name).with_suffix(".part")


def _refusal(shelf: Shelf, name: str) -> Path:
    return shelf.place(name).with_suffix(".refused")


if __name__ == "__main__":
    raise SystemExit(main())
