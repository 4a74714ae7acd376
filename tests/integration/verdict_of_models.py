"""Prints what the models' decoder says of each file that is named on standard input, as JSON.

Runs in the models' environment, with `triton_models` on its path.
"""

import json
import sys
from pathlib import Path

from imagerift_vision.decoding import decode
from imagerift_vision.errors import VisionError

verdicts = {}
for line in sys.stdin:
    path = Path(line.rstrip("\n"))
    try:
        decode(path.read_bytes(), 1024)
        verdicts[str(path)] = "accepted"
    except VisionError as error:
        verdicts[str(path)] = error.code
json.dump(verdicts, sys.stdout)
