"""What a ModelWeights may say, and what is taken of a source at all."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from imagerift_core.manifest_part import units_of
from imagerift_core.model_weights import ModelWeightsSpec, check_path, is_taken
from imagerift_local.settings import CHECKOUT
from pydantic import ValidationError

SUM = "a" * 64
STORAGE = {"size": "10Gi"}
HF: dict[str, Any] = {
    "source": "hf://acme/sdxl@main",
    "acceptLicence": "openrail++",
    "storage": STORAGE,
}
HTTPS = HF | {"source": "https://host.example/a.onnx", "checksums": {"a.onnx": SUM}}


@pytest.mark.parametrize(
    "spec",
    [
        HF,
        HF | {"files": ["unet/*.safetensors", "*.json", "*"], "secretName": "hub"},
        HTTPS,
        HTTPS
        | {"source": "https://host.example/f/", "checksums": {"a.onnx": SUM, "b/c.gguf": SUM}},
        HF | {"source": "s3://weights/sdxl/", "s3": {"endpoint": "http://s3:8333"}},
        {"source": "pvc://weights/sdxl", "acceptLicence": "MIT"},
        {"source": f"oci://registry.example/sdxl@sha256:{SUM}", "acceptLicence": "MIT"},
    ],
)
def test_a_spec_of_each_source_is_taken(spec: dict[str, Any]) -> None:
    ModelWeightsSpec.model_validate(spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (HF | {"source": "hf://acme/sdxl"}, "source"),
        (HF | {"source": "http://host.example/a.onnx"}, "source"),
        # A URL may hold a signature, and resources hold no secrets.
        (HTTPS | {"source": "https://host.example/a.onnx?X-Amz-Signature=1"}, "source"),
        (HTTPS | {"source": "https://user:word@host.example/a.onnx"}, "source"),
        ({"source": "oci://registry.example/sdxl:1", "acceptLicence": "MIT"}, "source"),
        ({"source": "file:///etc", "acceptLicence": "MIT"}, "source"),
        (HF | {"acceptLicence": ""}, "acceptLicence"),
        ({"source": HF["source"], "storage": STORAGE}, "acceptLicence"),
        ({"source": HF["source"], "acceptLicence": "MIT"}, "storage: hf:// is downloaded"),
        ({"source": "pvc://w", "acceptLicence": "MIT", "secretName": "hub"}, "takes no storage"),
        (HTTPS | {"checksums": {}}, "has the files that are named here"),
        (HTTPS | {"checksums": {"a.onnx": SUM, "b.onnx": SUM}}, "is one file"),
        (HTTPS | {"checksums": {"a.bin": SUM}}, "a pickle would run"),
        (HTTPS | {"checksums": {"../a.onnx": SUM}}, "no path"),
        (HTTPS | {"checksums": {"a.onnx": "md5"}}, "checksums"),
        (HF | {"files": ["*.bin"]}, "a pickle would run"),
        (HF | {"files": ["unet/model.pt"]}, "a pickle would run"),
        (HF | {"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        ModelWeightsSpec.model_validate(spec)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd.json", "../x.json", "a/../x.json", "a//x.json", ".", "a\\..\\x.json", "x\0.json"],
)
def test_no_path_leaves_its_folder(path: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        check_path(path)


def test_pickles_and_programs_are_not_taken() -> None:
    taken = ["unet/model.safetensors", "a.onnx", "a.onnx_data", "a.gguf", "model_index.json"]
    assert all(map(is_taken, taken))
    refused = ["model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl", "run.py", "a.so"]
    assert not any(map(is_taken, [*refused, ".gitattributes", "weights"]))


def test_other_content_has_another_fingerprint_and_other_storage_has_not() -> None:
    first = ModelWeightsSpec.model_validate(HF)
    same: list[dict[str, Any]] = [
        {"storage": {"size": "20Gi"}},
        {"acceptLicence": "MIT"},
        {"secretName": "hub"},
    ]
    other: list[dict[str, Any]] = [
        {"source": "hf://acme/sdxl@v2"},
        {"files": ["*.json"]},
        {"checksums": {"a.json": SUM}},
    ]
    for change in same:
        assert ModelWeightsSpec.model_validate(HF | change).fingerprint == first.fingerprint
    for change in other:
        assert ModelWeightsSpec.model_validate(HF | change).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("amount", "units"),
    [("10Gi", 10 * 2**30), ("1.5Ki", 1536), ("2k", 2000), ("1e9", 10**9), ("7", 7), ("500m", 0)],
)
def test_amounts_are_read_as_kubernetes_does(amount: str, units: int) -> None:
    assert units_of(amount) == units


def test_the_catalogues_networks_make_valid_weights() -> None:
    tool = CHECKOUT / "triton_models" / "tools" / "weights.py"
    catalogue = tomllib.loads((CHECKOUT / "triton_models" / "weights.toml").read_text())
    assert len(catalogue) >= 8
    for name in catalogue:
        command = [sys.executable, str(tool), "--folder", "none", "manifest", name]
        made = subprocess.run([*command, "--accept-terms"], capture_output=True, check=True)
        body = json.loads(made.stdout)
        spec = ModelWeightsSpec.model_validate(body["spec"])
        assert spec.storage is not None
        assert units_of(spec.storage.size) > catalogue[name]["bytes"]
        assert body["metadata"]["name"] == name
