"""How prompts are read: `bench/vision/prompts.toml`, scored by kind.

    MODELS/bin/python -m bench.vision.prompt_sets [--misses]

`look` counts the prompts whose preset is one of those expected; `set` those of the prompts that
ask for something of the set (or must not) where all of it was read so; `all` both. The third that
is kept apart from tuning is summed only: its misses are never printed.
"""

import argparse
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "triton_models"), str(ROOT / "contract")]

from imagerift_vision.colours import Colour, colour_of, css_colours, difference  # noqa: E402
from imagerift_vision.presets import PRESETS  # noqa: E402
from imagerift_vision.prompt_read import PromptRead  # noqa: E402
from imagerift_vision.prompts import PromptReader  # noqa: E402

LIST = Path(__file__).with_name("prompts.toml")
SET_MEMBERS = ("wall", "floor", "surface", "light", "time", "space", "angle")
# Delta E (CIE76): names of one colour differ from chart to chart.
LARGEST_DIFFERENCE = 12
LINE = "{:<12} {:>7} {:>11} {:>11} {:>11}\n"


def main() -> int:
    """Print the table; return 1 where too few prompts are read as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true", help="show those of the tuned part")
    options = parser.parse_args()
    reader = PromptReader(1, PRESETS)
    counts: dict[tuple[str, bool], Counter[str]] = {}
    for case in tomllib.loads(LIST.read_text("utf-8"))["prompt"]:
        apart = case.get("apart", False)
        choice = reader.read(case["text"])
        look = choice.preset in case["expect"]
        wanted = {name: case[name] for name in SET_MEMBERS if name in case}
        wrong = _wrong(choice, wanted)
        for kind in (case["kind"], "all"):
            count = counts.setdefault((kind, apart), Counter())
            count.update(prompts=1, look=int(look), both=int(look and not wrong))
            count.update(sets=int(bool(wanted)), set=int(bool(wanted) and not wrong))
        if options.misses and not apart and (wrong or not look):
            sys.stdout.write(f"{case['text']!r}: {choice.preset} {wrong}\n")
    shares = []
    for apart in (False, True):
        heading = LINE.format("apart" if apart else "tuned", "prompts", "look", "set", "all")
        sys.stdout.write("\n" + heading)
        for (kind, of_apart), count in counts.items():
            if of_apart == apart and (kind == "all" or not apart):
                sys.stdout.write(_line(kind, count))
        total = counts["all", apart]
        shares.append(total["both"] / total["prompts"])
    return 0 if shares[0] >= 0.9 and shares[1] >= 0.8 else 1


def _wrong(read: PromptRead, wanted: dict[str, str]) -> list[str]:
    """The members of the set that were not read as wanted."""
    scene = read.scene
    light = scene.light
    surfaces = {scene.floor.surface, scene.wall.surface} - {None}
    words: dict[str, set[str | None]] = {
        "surface": surfaces or {"none"},
        "light": {light.warmth, light.hardness, _named(light.colour)},
        "time": {scene.time},
        "space": {scene.space},
        "angle": {scene.angle},
    }
    planes = {"wall": scene.wall.colour, "floor": scene.floor.colour}
    return [
        name
        for name, value in wanted.items()
        if (name in planes and not _is_near(planes[name], value))
        or (name in words and value not in words[name])
    ]


def _is_near(colour: Colour | None, wanted: str) -> bool:
    if colour is None or wanted == "none":
        return colour is None and wanted == "none"
    return difference(colour, _colour(wanted)) <= LARGEST_DIFFERENCE


def _named(colour: Colour | None) -> str | None:
    names = [name for name in css_colours() if colour == _colour(name)]
    return names[0] if names else None


def _colour(name: str) -> Colour:
    """The colour of a CSS name as one writes it, or of a hex."""
    by_name = {listed.replace("-", ""): listed for listed in css_colours()}
    return colour_of(by_name.get(name, name))


def _line(kind: str, count: Counter[str]) -> str:
    number = count["prompts"]
    looks = f"{count['look']} {count['look'] / number:.0%}"
    sets = f"{count['set']}/{count['sets']}" if count["sets"] else "-"
    return LINE.format(kind, number, looks, sets, f"{count['both']} {count['both'] / number:.0%}")


if __name__ == "__main__":
    raise SystemExit(main())
