"""Whether the `diffusion` model could be loaded, seen without PyTorch and without a device."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

from imagerift_vision.diffusion_options import BITSANDBYTES
from imagerift_vision.diffusion_settings import DiffusionSettings

PACKAGES = ("torch", "diffusers", "transformers", "accelerate")
CUDA = re.compile(r"^cuda\b[^=]*= *(\S+)", re.MULTILINE)
# safetensors: the length of the header in 8 bytes, little-endian, then the header as JSON, then
# the tensors (https://github.com/huggingface/safetensors, "Format").
LENGTH_BYTES = 8
LONGEST_HEADER = 100_000_000


def check_diffusion(settings: DiffusionSettings, *, on_gpu: bool) -> None:
    """Look at packages, settings and weights.

    Raises ModuleNotFoundError where packages are not installed, FileNotFoundError where a file of
    the weights is not there, ValueError where one is cut or the settings want what these weights
    cannot do, RuntimeError where PyTorch knows no GPU and one is to be used.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise ModuleNotFoundError(f"{package} is not installed")
    if on_gpu and not _knows_cuda():
        raise RuntimeError("this PyTorch is built without CUDA")
    for name in (None, *settings.models):
        one = settings.of(name)
        bits = one.options.quantization
        if bits in BITSANDBYTES and find_spec("bitsandbytes") is None:
            raise ModuleNotFoundError(f"bitsandbytes is not installed, which {bits} wants")
        check_folder(one.checked().path)
        for lora in (lora for recipe in one.recipes for lora in recipe.loras):
            check_file(lora.weights)
        for controlnet in {recipe.controlnet for recipe in one.recipes if recipe.controlnet}:
            check_weights(controlnet.weights)


def check_folder(folder: Path) -> None:
    """Look whether every part of a pipeline's folder is there, and every file of weights whole.

    Raises FileNotFoundError or ValueError, which name the part or the file.
    """
    index = json.loads((folder / "model_index.json").read_text())
    parts = [
        name
        for name, kind in index.items()
        if isinstance(kind, list) and len(kind) == 2 and kind[0] is not None
    ]
    for part in parts:
        if not (folder / part).is_dir():
            raise FileNotFoundError(f"{folder} has no {part}")
    check_weights(folder)


def check_weights(folder: Path) -> None:
    """Look whether every file of weights in a folder is there and whole.

    Raises FileNotFoundError or ValueError, which name the file.
    """
    for shards in folder.rglob("*.safetensors.index.json"):
        for name in set(json.loads(shards.read_text())["weight_map"].values()):
            if not (shards.parent / name).is_file():
                raise FileNotFoundError(f"{shards.parent} has no {name}")
    files = sorted(folder.rglob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no safetensors")
    for file in files:
        check_file(file)


def check_file(file: Path) -> None:
    """Look whether a safetensors file is as long as its header says; its tensors are not read.

    Raises FileNotFoundError where there is none, ValueError where it is cut.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(LENGTH_BYTES), "little")
        if not 0 < length <= min(LONGEST_HEADER, size - LENGTH_BYTES):
            raise ValueError(f"{file} is cut, or no safetensors file")
        header = json.loads(opened.read(length))
    ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
    wanted = LENGTH_BYTES + length + max(ends, default=0)
    if size != wanted:
        raise ValueError(f"{file} has {size} bytes of {wanted}")


def _knows_cuda() -> bool:
    """By the note that its build leaves; importing PyTorch takes half a gigabyte."""
    spec = find_spec("torch")
    places = spec.submodule_search_locations if spec is not None else None
    for place in places or ():
        note = Path(place) / "version.py"
        found = CUDA.search(note.read_text()) if note.is_file() else None
        if found is not None:
            return found[1] != "None"
    return False
