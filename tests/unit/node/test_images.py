"""Images from Dockerfiles without an engine: what is read, copied, sealed and written."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from imagerift_local.errors import PlatformError
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_node.images import build
from imagerift_node.images.archive import Image, write_archive
from imagerift_node.images.build import Builder, Built
from imagerift_node.images.dockerfile import Instruction, Stage, parse
from imagerift_node.images.layers import OPAQUE_ATTRIBUTE, Layer, seal_layer
from imagerift_node.images.root import copy_from

TEXT = """\
# One of two.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS below
RUN first  \\
 # Not this.
 && second ${NAME}

FROM below AS it
COPY --from=below --chmod=0755 /a /b
ENTRYPOINT ["it"]
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    (folder / "part" / "__pycache__").mkdir(parents=True)
    (folder / "part" / "__pycache__" / "x.pyc").write_text("compiled")
    (folder / "part" / "x.py").write_text("print()")
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / ".dockerignore").write_text("**\n!part\n**/__pycache__\n")
    (folder / "VERSION").write_text("1\n")
    monkeypatch.setattr(build, "CHECKOUT", folder)
    return folder


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def builder(tmp_path: Path, said: list[str]) -> Builder:
    cache = Cache(tmp_path / "cache")
    return Builder(Workshop(cache, Debian(cache.root), said.append), {})


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    trial = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)
    return trial.returncode == 0


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def seal(folder: Path, target: Path) -> list[str]:
    target.mkdir()
    seal_layer(folder, target)
    layer = Layer.read(target)
    assert layer.digest == hashlib.sha256(layer.tar.read_bytes()).hexdigest()
    with tarfile.open(layer.tar) as tar:
        return sorted(tar.getnames())


def test_a_dockerfile_is_stages_of_instructions() -> None:
    run = Instruction("RUN", {}, "first    && second ${NAME}")
    copy = Instruction("COPY", {"from": "below", "chmod": "0755"}, "/a /b")
    entrypoint = Instruction("ENTRYPOINT", {}, '["it"]')
    stages = parse(TEXT)
    assert stages == {
        "below": Stage("debian:bookworm-slim", [run]),
        "it": Stage("below", [copy, entrypoint]),
    }
    assert [name for name, stage in stages.items() if stage.is_image] == ["it"]


@pytest.mark.parametrize("text", ["RUN x\n", "FROM x\nRUN x\n"])
def test_an_instruction_outside_of_a_named_stage_is_refused(text: str) -> None:
    with pytest.raises(PlatformError, match="outside of a named stage: RUN x"):
        parse(text)


def test_settings_add_up_and_copies_are_layers(checkout: Path, builder: Builder) -> None:
    text = "FROM x AS y\nENV A=1 B=2\nENV B=3\nWORKDIR /work\nCOPY part part\nUSER 1:1\n"
    built = Built(())
    for instruction in parse(text)["y"].instructions:
        built = builder._follow(built, instruction)
    assert (built.environment["A"], built.environment["B"]) == ("1", "3")
    assert (built.folder, built.user) == ("/work", "1:1")
    (layer,) = built.layers
    assert files(layer) == {"work/part/x.py": "print()"}


def test_files_are_copied_as_docker_does(checkout: Path, builder: Builder) -> None:
    text = "FROM x AS y\nCOPY run.sh VERSION there/\nCOPY --chmod=0755 run.sh /bin/run\n"
    built = Built((), folder="/work")
    for instruction in parse(text)["y"].instructions:
        built = builder._follow(built, instruction)
    first, second = built.layers
    assert set(files(first)) == {"work/there/run.sh", "work/there/VERSION"}
    assert set(files(second)) == {"bin/run"}
    assert (second / "bin/run").stat().st_mode & 0o777 == 0o755


def test_a_copy_is_made_again_only_when_its_files_change(
    checkout: Path, builder: Builder, said: list[str]
) -> None:
    copy = Instruction("COPY", {}, "part /opt/")
    first = builder._copy(Built(()), copy)
    (checkout / "part" / "__pycache__" / "y.pyc").write_text("more")
    assert builder._copy(Built(()), copy) == first
    (checkout / "part" / "x.py").write_text("print(1)")
    assert files(builder._copy(Built(()), copy)) == {"opt/x.py": "print(1)"}
    assert said == ["COPY part /opt/"] * 2


def test_what_is_not_known_is_refused(builder: Builder) -> None:
    with pytest.raises(PlatformError, match="HEALTHCHECK"):
        builder._follow(Built(()), Instruction("HEALTHCHECK", {}, "NONE"))
    with pytest.raises(PlatformError, match="no such stage: other"):
        builder._follow(Built(()), Instruction("COPY", {"from": "other"}, "/a /b"))
    with pytest.raises(PlatformError, match="alpine"):
        builder._debian("alpine:3")


@pytest.mark.skipif(not may_mount(), reason="only root may mount")
def test_a_copy_from_a_stage_holds_what_all_its_layers_do(tmp_path: Path) -> None:
    below, above = tmp_path / "below", tmp_path / "above"
    for layer, name in ((below, "one"), (above, "two")):
        (layer / "opt" / "it").mkdir(parents=True)
        (layer / "opt" / "it" / name).write_text(name)
    entry = tmp_path / "entry"
    (entry / "files").mkdir(parents=True)
    copy_from([below, above], "/opt/it", entry / "files", "/srv/it", tmp_path / "log")
    assert files(entry) == {"files/srv/it/one": "one", "files/srv/it/two": "two"}
    assert list(entry.iterdir()) == [entry / "files"]


def test_what_an_overlay_deletes_is_marked_in_its_layer(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir()
    (upper / "kept").write_text("new")
    os.mknod(upper / "gone", 0o000 | 0o020000, os.makedev(0, 0))
    assert seal(upper, tmp_path / "layer") == [".wh.gone", "kept"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mark a folder as an overlay does")
def test_a_folder_that_was_made_anew_hides_the_one_below(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    (upper / "anew").mkdir(parents=True)
    (upper / "anew" / "file").touch()
    try:
        os.setxattr(upper / "anew", OPAQUE_ATTRIBUTE, b"y")
    except OSError:
        pytest.skip("this file system keeps no such attribute")
    assert seal(upper, tmp_path / "layer") == ["anew", "anew/.wh..wh..opq", "anew/file"]


def test_an_archive_names_its_images_and_holds_a_shared_layer_once(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "file").write_text("content")
    seal(tmp_path / "files", tmp_path / "layer")
    layer = Layer.read(tmp_path / "layer")
    images = [
        Image(f"docker.io/imagerift/{name}:1", (layer,), (name,), {"A": "b"}, "65532:65532")
        for name in ("one", "two")
    ]
    stream = io.BytesIO()
    write_archive(stream, images)
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as archive:
        names = archive.getnames()
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(archive.extractfile(manifest[0]["Config"]))  # type: ignore[arg-type]
    assert names.count(f"{layer.digest}/layer.tar") == 1
    assert [entry["RepoTags"] for entry in manifest] == [
        ["docker.io/imagerift/one:1"],
        ["docker.io/imagerift/two:1"],
    ]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{layer.digest}"]
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Env"] == ["A=b"]
