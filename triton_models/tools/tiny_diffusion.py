"""Make a tiny random diffusion pipeline (5 MB or less): real code paths without real weights.

    MODELS_PYTHON triton_models/tools/tiny_diffusion.py FOLDER [FAMILY]
    MODELS_PYTHON triton_models/tools/tiny_diffusion.py FOLDER --all

Needs the environment of a pool with the diffusion model. What it draws is noise of the right size.
FAMILY is a name in tiny_families.py, `stable-diffusion` where there is none. With --all each one's
is in FOLDER/FAMILY, and two LoRAs for it are in FOLDER/loras/FAMILY.
"""

import sys
from pathlib import Path

from tiny_families import FAMILIES, save
from tiny_loras import save_loras


def main() -> None:
    """Write the pipeline, or all of them."""
    folder = Path(sys.argv[1])
    family = sys.argv[2] if len(sys.argv) > 2 else "stable-diffusion"
    if family != "--all":
        save(family, folder)
        return
    for name in FAMILIES:
        save(name, folder / name)
        save_loras(name, folder / "loras" / name)


if __name__ == "__main__":
    main()
