"""The pictures' bench: mattes beside reference mattes, faces that a frame cuts, prompts.

    make bench-vision
    MODELS_PYTHON -m bench.vision --pictures FOLDER [--json FILE] [--sheets FOLDER]

Runs in the models' environment, on the code that serves jobs. FOLDER is what
`bench.vision.provision` prints. What each figure means: docs/pictures.md.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "triton_models"))

from imagerift_vision.faces import FaceFinder  # noqa: E402
from imagerift_vision.matting import Matting  # noqa: E402
from imagerift_vision.runtime import limit_threads  # noqa: E402

from bench.vision import framing, mattes, prompts, sheet  # noqa: E402
from bench.vision.compose import Sources  # noqa: E402
from bench.vision.plan import Plan, read_plan  # noqa: E402
from bench.vision.tables import Table  # noqa: E402

# The figures are of one core.
THREADS = 1
WORST = 10
PARTS = ("mattes", "framing", "prompts")


def measure_mattes(plan: Plan, sources: Sources, sheets: Path | None) -> list[dict[str, Any]]:
    """Print the tables of the mattes."""
    matting = Matting(THREADS)
    results, cells = [], []
    for picture in plan.pictures:
        composite = sources.composite(picture)
        result, matte = mattes.measure(matting, picture, composite)
        results.append(result)
        if sheets:
            cut = sheet.cut_out(composite.rgb, matte.alpha)
            cells.append((result, sheet.pane(composite.rgb), sheet.pane(cut)))
    apart = [result for result in results if result.apart]
    tuning = [result for result in results if not result.apart]
    say(mattes.by_kind(results, "Mattes"))
    say(mattes.by_kind(tuning, "Mattes, the tuning part"))
    say(mattes.by_kind(apart, "Mattes, the part kept apart"))
    say(mattes.by_confidence(results))
    say(mattes.by_warning(results))
    if sheets:
        sheet.mattes(sheets / "mattes.webp", cells)
        worst = mattes.worst(results, WORST)
        sheet.worst(sheets / "worst.webp", [cells[place] for place in worst])
    return documents(results)


def measure_framing(plan: Plan, sources: Sources, sheets: Path | None) -> list[dict[str, Any]]:
    """Print the table of the faces."""
    matting, finder = Matting(THREADS), FaceFinder()
    cells = [
        (scene, list(framing.reframed(scene, matting, finder)))
        for scene in framing.scenes(plan, sources)
    ]
    results = [result for _, done in cells for result, _ in done]
    say(framing.table(results))
    if sheets:
        sheet.frames(sheets / "framing.webp", cells)
    return documents(results)


def measure_prompts() -> list[prompts.Read]:
    """Print the tables of the prompts."""
    results = prompts.read(THREADS)
    say(prompts.table(results))
    say(prompts.misses(results))
    return results


def say(table: Table) -> None:
    """Print a table at once."""
    sys.stdout.write(f"{table}\n")
    sys.stdout.flush()


def documents(results: Sequence[Any]) -> list[dict[str, Any]]:
    """As they stand in the JSON."""
    return [asdict(result) for result in results]


def measure_pictures(options: argparse.Namespace) -> dict[str, Any]:
    """Print the tables of mattes and faces, as far as they are wanted; what they are made of."""
    plan = read_plan()
    sources = Sources(plan, options.pictures)
    checksum = plan.checksum(options.pictures)
    if checksum != plan.sha256:
        sys.stderr.write(f"the pictures' files are others than those listed: {checksum}\n")
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"sha256": checksum}
    if "mattes" in options.only:
        report["mattes"] = measure_mattes(plan, sources, options.sheets)
    if "framing" in options.only:
        report["framing"] = measure_framing(plan, sources, options.sheets)
    return report


def main() -> int:
    """Print the tables; write the rest where wanted. 1 where too few prompts are well read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="the folder that `provision` prints")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", type=Path, help="also write every single result to this file")
    parser.add_argument("--sheets", type=Path, help="also write contact sheets to this folder")
    options = parser.parse_args()
    if options.pictures is None and options.only != ["prompts"]:
        parser.error("--pictures is needed for all but prompts")
    limit_threads(THREADS)
    report = measure_pictures(options) if options.only != ["prompts"] else {}
    well_read = True
    if "prompts" in options.only:
        results = measure_prompts()
        report["prompts"] = documents(results)
        well_read = prompts.are_well_read(results)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 0 if well_read else 1


if __name__ == "__main__":
    raise SystemExit(main())
