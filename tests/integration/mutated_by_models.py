"""Prints what the models say of mutated pictures: `python -m … FOLDER COUNT SEED`.

Runs in the models' environment, with `triton_models` on its path.
"""

import math
import tempfile
from pathlib import Path

from imagerift_vision.control import AttemptGuard, CancelFlags
from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.errors import VisionError

from tests.support.mutated_pictures import tell, verdict


def main() -> None:
    decoding = DecodingProcess()
    guard = AttemptGuard(CancelFlags(Path(tempfile.gettempdir())), "fuzz", math.inf)

    def verdict_of(data: bytes) -> str:
        try:
            decoding.decode(data, 1024, guard)
        except VisionError as error:
            return verdict(error.code, error.message)
        return "accepted"

    tell(verdict_of, decoding.close)


if __name__ == "__main__":
    main()
