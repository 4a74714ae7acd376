"""Prints what the API says of mutated pictures: `python -m … FOLDER COUNT SEED`."""

from __future__ import annotations

import asyncio

from imagerift_core.errors import DomainError
from imagerift_core.picture_inspection import PictureInspections

from tests.support.mutated_pictures import tell, verdict


def main() -> None:
    inspections = PictureInspections()
    with asyncio.Runner() as runner:

        def verdict_of(data: bytes) -> str:
            try:
                runner.run(inspections.inspect(data, param="imageBase64", workspace="ws_fuzz"))
            except DomainError as error:
                return verdict(error.code, error.message)
            return "accepted"

        tell(verdict_of, lambda: runner.run(inspections.close()))


if __name__ == "__main__":
    main()
