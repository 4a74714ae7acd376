"""The custom resource `ModelWeights`: weights that are downloaded, verified and then mounted."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal

import orjson
from pydantic import Field, StringConstraints, model_validator

from imagerift_core.manifest_part import Name, Part, Quantity, Text
from imagerift_core.resources import Condition

Scheme = Literal["hf", "s3", "https", "pvc", "oci"]

# Weights that hold numbers alone: reading them runs nothing, as reading a pickle would.
WEIGHT_SUFFIXES = frozenset({".safetensors", ".onnx", ".onnx_data", ".gguf"})
# What lies beside them and is text, or a tokenizer's table (SentencePiece, a protocol buffer).
BESIDE_SUFFIXES = frozenset({".json", ".jinja", ".md", ".model", ".txt"})
SUFFIXES = WEIGHT_SUFFIXES | BESIDE_SUFFIXES

_SOURCE = (
    r"^(hf://[A-Za-z0-9._-]+/[A-Za-z0-9._-]+@[A-Za-z0-9._/-]+"
    r"|s3://[a-z0-9][a-z0-9.-]+/[^?#]*"
    r"|https://[^/?#@]+/[^?#]*"
    r"|pvc://[a-z0-9][a-z0-9.-]*(/[^?#]*)?"
    r"|oci://[^?#@]+@sha256:[0-9a-f]{64})$"
)
_ONE_FOLDER = re.compile(r"[^/\\\0]+")

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class S3Place(Part):
    """Where an `s3://` source lies, other than at AWS in us-east-1."""

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@]+$",
        max_length=512,
        description="Base address of the store; without it AWS's own for the region.",
    )
    region: Name = Field("us-east-1", description="Region that signatures name.")
    addressing: Literal["path", "virtual"] = Field(
        "path", description="Where URLs name the bucket: in the path, or in the host."
    )


class WeightsStorage(Part):
    """The volume that the weights are downloaded to."""

    size: Quantity = Field(description="Its size; weights that are larger are refused.")
    storage_class_name: Name | None = Field(
        None, description="StorageClass; without it the cluster's default one."
    )
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = Field(
        "ReadWriteOnce",
        description="ReadWriteMany where servers on several nodes mount it at once.",
    )


class ModelWeightsSpec(Part):
    """Where weights come from, which of them are wanted, and under which licence."""

    source: str = Field(
        pattern=_SOURCE,
        max_length=2048,
        description="hf://owner/name@revision, s3://bucket/prefix, https://host/path (a file, or "
        "with a slash at the end a folder), pvc://claim/path, oci://image@sha256:digest. It stays "
        "as it is: another version is another object.",
    )
    files: list[Text] = Field(
        default_factory=list,
        max_length=64,
        description="Patterns of paths, such as unet/*.safetensors, where * also matches a "
        "slash; without any, every file of a kind that is taken.",
    )
    checksums: dict[str, Sha256] = Field(
        default_factory=dict,
        description="SHA-256 by path, in hexadecimal digits. An https:// source has just these "
        "files; of others they are held to what is said here.",
    )
    accept_licence: Text = Field(
        description="Name of the licence, which whoever writes this accepts; of an hf:// source "
        "the one that its repository states.",
    )
    secret_name: Name | None = Field(
        None,
        description="Secret that the administrator lets weights use: token (hf://, https://), or "
        "s3-access-key and s3-secret-key.",
    )
    s3: S3Place | None = Field(None, description="Of an s3:// source.")
    storage: WeightsStorage | None = Field(
        None, description="The volume; of hf://, s3:// and https:// sources."
    )
    execution: Literal["Pool", "Pod"] = Field(
        "Pool",
        description="Pool: for servers of pools. Pod: for job pods, in whose namespace the volume "
        "is then.",
    )

    @model_validator(mode="after")
    def _fits_its_source(self) -> ModelWeightsSpec:
        scheme = self.scheme
        if scheme in DOWNLOADED and self.storage is None:
            raise ValueError(f"storage: {scheme}:// is downloaded, so give the size of a volume")
        if scheme not in DOWNLOADED and (self.storage or self.secret_name):
            raise ValueError(f"{scheme}:// is not downloaded: it takes no storage and no secret")
        if scheme == "https":
            self._fits_addresses()
        for path in self.checksums:
            check_path(path)
        for pattern in self.files:
            suffix = PurePosixPath(pattern).suffix
            if suffix and "*" not in suffix and suffix not in SUFFIXES:
                raise ValueError(f"files: {pattern}: {_taken()}")
        return self

    def _fits_addresses(self) -> None:
        if not self.checksums:
            raise ValueError("checksums: an https:// source has the files that are named here")
        if not self.source.endswith("/") and len(self.checksums) != 1:
            raise ValueError("checksums: a source without a slash at its end is one file")

    @property
    def scheme(self) -> Scheme:
        return self.source.partition("://")[0]  # type: ignore[return-value]  # by the pattern

    @property
    def place(self) -> str:
        """The source without its scheme."""
        return self.source.partition("://")[2]

    @property
    def claim(self) -> GivenClaim | None:
        """The claim that a pvc:// source names."""
        if self.scheme != "pvc":
            return None
        name, _, path = self.place.partition("/")
        return GivenClaim(name, path.strip("/"))

    @property
    def fingerprint(self) -> str:
        """Of what is downloaded: other content has another one, and lies in another folder."""
        content = self.manifest()
        for other in ("acceptLicence", "secretName", "storage", "execution"):
            content.pop(other, None)
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()[:12]


DOWNLOADED = frozenset({"hf", "s3", "https"})


@dataclass(frozen=True)
class GivenClaim:
    """A PersistentVolumeClaim that exists, and the folder in it; empty: all of it."""

    name: str
    path: str


class ModelWeightsStatus(Part):
    """How far the weights are, and what they are."""

    conditions: list[Condition] = Field(
        default_factory=list,
        description="Downloaded, Verified, and Ready once both are true.",
    )
    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is of."
    )
    progress: str | None = Field(
        None, max_length=64, description="How much of a download is there, such as 41%."
    )
    size: str | None = Field(None, max_length=32, description="Size for people, such as 6.9 GB.")
    bytes: int | None = Field(None, description="Size of all files in bytes.")
    files: int | None = Field(None, description="Number of files.")
    digest: str | None = Field(
        None,
        max_length=128,
        description="SHA-256 of the list of all files and their checksums, as sha256sum writes "
        "it, in the order of their paths; of an oci:// source the image's.",
    )
    licence: str | None = Field(
        None, max_length=4096, description="Licence that was accepted, by its name."
    )
    revision: str | None = Field(
        None, max_length=128, description="Commit that the revision of an hf:// source was."
    )
    fingerprint: str | None = Field(
        None, max_length=64, description="Folder of the volume that holds these very files."
    )
    pools: list[str] = Field(
        default_factory=list,
        description="TritonPools that name them, and job-pods where those do, which hold up a "
        "deletion.",
    )


def check_path(path: str) -> None:
    """Raises `ValueError` unless a path stays in its folder and ends as files that are taken do."""
    parts = path.split("/")
    if len(path) > 512 or any(p in {".", ".."} or not _ONE_FOLDER.fullmatch(p) for p in parts):
        raise ValueError(f"{path[:64]!r} is no path of a file in a folder")
    if PurePosixPath(path).suffix not in SUFFIXES:
        raise ValueError(f"{path}: {_taken()}")


def is_taken(path: str) -> bool:
    """Whether a file of this path may be taken at all."""
    try:
        check_path(path)
    except ValueError:
        return False
    return True


def _taken() -> str:
    kinds = ", ".join(sorted(SUFFIXES))
    return f"only {kinds} are taken; a pickle would run whatever it holds"
