"""`python -m supply_chain sbom --out FOLDER` and `python -m supply_chain advisories`.

The second ends with 0 where no hole is known that counts, with 1 where one is, and with 3 where
OSV could not be asked.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from supply_chain import accepted, components, sbom
from supply_chain.advisories import check
from supply_chain.osv import URL, Osv


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m supply_chain", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    bills = commands.add_parser("sbom", help="write bills of material in CycloneDX")
    bills.add_argument("--out", type=Path, default=Path("build/sbom"), help="folder to write to")
    compared = commands.add_parser("advisories", help="compare every pinned version with OSV")
    compared.add_argument("--osv", default=URL, help="address of an OSV (default: %(default)s)")
    compared.add_argument("--accepted", type=Path, default=accepted.PATH, help="list of holes")
    arguments = parser.parse_args()
    if arguments.command == "sbom":
        for path in sbom.write(arguments.out):
            print(path)
        return 0
    return check(
        components.everything(),
        accepted.read(arguments.accepted),
        Osv(arguments.osv),
        on=datetime.now(UTC).date(),
        say=print,
    )


if __name__ == "__main__":
    raise SystemExit(main())
