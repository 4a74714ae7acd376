"""Layers and archives as containerd reads them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from imagerift_local.settings import CHECKOUT
from imagerift_node.images.archive import Image, write_archive
from imagerift_node.images.layers import files_layer, overlay_layer
from imagerift_node.images.lists import DebianLayer, FilesLayer, read_lists
from pydantic import ValidationError


def make_tree(folder: Path) -> Path:
    (folder / "sub" / "__pycache__").mkdir(parents=True)
    (folder / "sub" / "__pycache__" / "x.pyc").write_text("compiled")
    (folder / "sub" / "x.py").write_text("print()")
    (folder / "sub" / "x.py").chmod(0o600)
    (folder / "run").write_text("#!/bin/sh")
    (folder / "run").chmod(0o700)
    (folder / "python").symlink_to("/somewhere/here/python3")
    return folder


def test_a_layer_belongs_to_root_and_is_readable_by_any_user(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    layer = files_layer({"/opt/it": tree}, tmp_path, {"/opt/it/python": "/usr/bin/python3"})
    assert layer.digest == hashlib.sha256(layer.tar.read_bytes()).hexdigest()
    with tarfile.open(layer.tar) as tar:
        members = {member.name: member for member in tar}
    assert set(members) == {"opt", "opt/it", "opt/it/sub", "opt/it/sub/x.py", "opt/it/run"} | {
        "opt/it/python"
    }
    assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}
    assert members["opt/it/sub/x.py"].mode & 0o777 == 0o644
    assert members["opt/it/run"].mode & 0o777 == 0o755
    assert members["opt/it/python"].linkname == "/usr/bin/python3"


def test_what_an_overlay_deletes_is_marked_in_its_layer(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir()
    (upper / "kept").write_text("new")
    os.mknod(upper / "gone", 0o000 | 0o020000, os.makedev(0, 0))
    layer = overlay_layer(upper, tmp_path)
    with tarfile.open(layer.tar) as tar:
        assert sorted(tar.getnames()) == [".wh.gone", "kept"]


def test_an_archive_names_its_images_and_holds_a_shared_layer_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    layer = files_layer({"/file": tmp_path / "file"}, tmp_path)
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


def test_the_lists_name_only_what_is_there() -> None:
    lists = read_lists()
    for image in lists.images.values():
        assert set(image.layers) <= set(lists.layers)
        assert image.layers[0] == "base"
    for layer in lists.layers.values():
        if isinstance(layer, DebianLayer):
            assert layer.names()
        if isinstance(layer, FilesLayer):
            assert all((CHECKOUT / path).exists() for path in layer.files)
    assert lists.user.split(":")[0] not in {"", "0", "root"}


def test_a_misspelt_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.toml"
    path.write_text('user = "1:1"\nimages = {}\n[layers.x]\nkind = "files"\nfile = {}\n')
    with pytest.raises(ValidationError, match="file"):
        read_lists(path)
