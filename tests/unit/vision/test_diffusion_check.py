"""Weights that are not whole are found without PyTorch, and without reading their tensors."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from imagerift_vision import diffusion_check
from imagerift_vision.diffusion_check import check_diffusion, check_file, check_folder
from imagerift_vision.diffusion_settings import DiffusionSettings


def tensors(path: Path, size: int = 16) -> Path:
    """A safetensors file of one tensor of so many bytes."""
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]},
        }
    ).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a pipeline of Stable Diffusion looks like from outside."""
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "scheduler").mkdir()
    names = ["one.safetensors", "two.safetensors"]
    for name in names:
        tensors(tmp_path / "unet" / name)
    shards = {"weight_map": dict(zip("ab", names, strict=True))}
    (tmp_path / "unet" / "model.safetensors.index.json").write_text(json.dumps(shards))
    tensors(tmp_path / "vae" / "model.safetensors")
    return tmp_path


def test_a_whole_folder_passes(folder: Path) -> None:
    check_folder(folder)


def cut(folder: Path) -> None:
    file = folder / "vae" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def cut_to_its_beginning(folder: Path) -> None:
    file = folder / "vae" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:20])


def empty(folder: Path) -> None:
    (folder / "vae" / "model.safetensors").write_bytes(b"")


def a_pointer(folder: Path) -> None:
    (folder / "vae" / "model.safetensors").write_text("version https://git-lfs\noid sha256:x\n")


def without_a_shard(folder: Path) -> None:
    (folder / "unet" / "two.safetensors").unlink()


def without_a_part(folder: Path) -> None:
    (folder / "scheduler").rmdir()


def without_weights(folder: Path) -> None:
    for file in folder.rglob("*.safetensors*"):
        file.unlink()


@pytest.mark.parametrize(
    ("harm", "error", "said"),
    [
        (cut, ValueError, "model.safetensors has"),
        (cut_to_its_beginning, ValueError, "is cut, or no safetensors file"),
        (empty, ValueError, "is cut, or no safetensors file"),
        (a_pointer, ValueError, "is cut, or no safetensors file"),
        (without_a_shard, FileNotFoundError, "has no two.safetensors"),
        (without_a_part, FileNotFoundError, "has no scheduler"),
        (without_weights, FileNotFoundError, "holds no safetensors"),
    ],
)
def test_what_is_missing_or_cut_is_named(
    folder: Path, harm: Callable[[Path], None], error: type[Exception], said: str
) -> None:
    harm(folder)
    with pytest.raises(error, match=said):
        check_folder(folder)


def settings(folder: Path) -> DiffusionSettings:
    document = {
        "models": {"other": {"weights": str(folder / "other")}},
        "presets": {"ink": {"loras": [{"weights": str(folder / "ink.safetensors")}]}},
    }
    return DiffusionSettings.from_environment(
        {
            "IMAGERIFT_DIFFUSION": json.dumps(document),
            "IMAGERIFT_DIFFUSION_WEIGHTS": str(folder),
        }
    )


def test_all_that_may_be_drawn_with_is_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusion_check, "PACKAGES", ())
    with pytest.raises(FileNotFoundError, match=r"ink\.safetensors"):
        check_diffusion(settings(folder), on_gpu=False)
    check_file(tensors(folder / "ink.safetensors"))
    with pytest.raises(FileNotFoundError, match="other holds no model_index"):
        check_diffusion(settings(folder), on_gpu=False)


def test_a_package_that_is_not_installed_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusion_check, "PACKAGES", ("no_such_package",))
    with pytest.raises(ModuleNotFoundError, match="no_such_package is not installed"):
        check_diffusion(settings(folder), on_gpu=False)


@pytest.mark.parametrize("bits", ["nf4", "int8"])
def test_the_package_for_fewer_bits_is_looked_for_before_a_gpu_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch, bits: str
) -> None:
    monkeypatch.setattr(diffusion_check, "PACKAGES", ())
    small = {"weights": str(folder), "quantization": bits}
    told = {"IMAGERIFT_DIFFUSION": json.dumps({"weights": str(folder), "models": {"small": small}})}
    with pytest.raises(ModuleNotFoundError, match=f"bitsandbytes is not installed, which {bits}"):
        check_diffusion(DiffusionSettings.from_environment(told), on_gpu=False)


@pytest.mark.parametrize(
    ("note", "passes"),
    [("cuda: Optional[str] = '13.0'\n", True), ("cuda: Optional[str] = None\n", False)],
)
def test_pytorch_without_cuda_is_refused_where_there_are_to_be_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: str, *, passes: bool
) -> None:
    package = tmp_path / "packages" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('it is not imported')")
    (package / "version.py").write_text(f"__version__ = '2'\n{note}")
    monkeypatch.syspath_prepend(str(package.parent))
    # Others of these tests may have imported the real one.
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert diffusion_check._knows_cuda() is passes
