"""Sound picture files, changed by chance: the same ones for the same number, in any interpreter."""

from __future__ import annotations

import json
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from imagerift_contract.picture_files.rules import too_costly

# Lengths, counts and offsets at which readers err.
_EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
# Headers and tables lie in front; the rest is pixels mostly.
_FRONT = 600
_MOST_BYTES = 64 * 1024


def write(sound: dict[str, bytes], folder: Path) -> None:
    """Encoders differ by version, so both sides take the same files."""
    for number, data in enumerate(sound.values()):
        (folder / f"{number:03}").write_bytes(data)


def mutated(sound: list[bytes], number: int, seed: int) -> bytes:
    """The file of that number."""
    chance = random.Random(f"{seed}/{number}")
    data = bytearray(sound[number % len(sound)])
    for _ in range(chance.choice((1, 1, 2, 3, 5))):
        chance.choice(_CHANGES)(data, chance, sound)
        if not data:
            break
    return bytes(data[:_MOST_BYTES])


def _place(data: bytearray, chance: random.Random) -> int:
    return chance.randrange(chance.choice((min(_FRONT, len(data)), len(data))))


def _flip(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    data[_place(data, chance)] = chance.randrange(256)


def _number(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at, size = _place(data, chance), chance.choice((1, 2, 4))
    value = chance.choice(_EDGES) % (1 << 8 * size)
    data[at : at + size] = value.to_bytes(size, chance.choice(("big", "little")))


def _cut(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    del data[chance.randrange(len(data)) :]


def _remove(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at = _place(data, chance)
    del data[at : at + chance.randint(1, 40)]


def _repeat(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at = _place(data, chance)
    part = data[at : at + chance.randint(1, 200)]
    data[at:at] = part * chance.choice((1, 1, 2, 50))


def _insert(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    at = _place(data, chance)
    data[at:at] = chance.randbytes(chance.randint(1, 40))


def _splice(data: bytearray, chance: random.Random, sound: list[bytes]) -> None:
    other = chance.choice(sound)
    data[_place(data, chance) :] = other[chance.randrange(len(other)) :]


_CHANGES = (_flip, _set, _number, _cut, _remove, _repeat, _insert, _splice)


def tell(verdict_of: Callable[[bytes], str], close: Callable[[], None]) -> None:
    """What a program prints of each of FOLDER's COUNT files by SEED: its verdict, in order.

    Before it, the most bytes that a process had in which one was read.
    """
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    sound = [path.read_bytes() for path in sorted(folder.iterdir())]
    verdicts = [verdict_of(mutated(sound, number, seed)) for number in range(count)]
    close()
    # In KiB, on macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    json.dump({"peak": peak, "verdicts": verdicts}, sys.stdout)


def verdict(code: str, message: str) -> str:
    """`broke` beside the code where the file took its process with it."""
    return f"{code} broke" if message == too_costly().message else code
