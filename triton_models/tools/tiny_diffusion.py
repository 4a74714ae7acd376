"""Make a tiny random diffusion pipeline (5 MB or less): real code paths without real weights.

    MODELS_PYTHON triton_models/tools/tiny_diffusion.py FOLDER [FAMILY]

Needs the environment of a pool with the diffusion model. What it draws is noise of the right size.
FAMILY is a name in tiny_families.py, `stable-diffusion` where there is none.
"""

import sys
from pathlib import Path

from tiny_families import save


def main() -> None:
    """Write the pipeline."""
    save(sys.argv[2] if len(sys.argv) > 2 else "stable-diffusion", Path(sys.argv[1]))


if __name__ == "__main__":
    main()
