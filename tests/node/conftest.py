"""Fixtures of the tests on a real node: one node, on which the tests run in order."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.charts.versions import compatibility
from tests.node.kind_node import KindNode
from tests.node.node_under_test import NodeUnderTest, Transcript, delete, temporary_folder
from tests.node.release import CHARTS, NAMESPACE, RUNNERS, S3_PORT, Release, s3_from_outside
from tests.node.weights import believed_authority
from tests.platform_under_test import CHECKOUT


@pytest.fixture(scope="session")
def node() -> Iterator[NodeUnderTest]:
    """A node that was started from nothing, without images; of kind where a version is named."""
    folder = temporary_folder()
    transcript = Path(os.environ.get("IMAGERIFT_NODE_TRANSCRIPT", folder / "transcript.md"))
    version = os.environ.get("IMAGERIFT_TEST_KIND")
    node = (
        KindNode(folder, Transcript(transcript), version)
        if version
        else NodeUnderTest(folder, Transcript(transcript))
    )
    try:
        node.start()
        yield node
    finally:
        node.stop()
        delete(folder)


@pytest.fixture(scope="session")
def photo() -> bytes:
    return (CHECKOUT / "docs/images/sample.jpg").read_bytes()


@pytest.fixture(scope="session")
def encoded(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


@pytest.fixture(scope="session")
def release(node: NodeUnderTest) -> Release:
    """The charts, installed once for all tests, and a key of a workspace of its own."""
    node.transcript.chapter("Install")
    node.load()
    node.helm(
        *("install", "imagerift-crds", str(CHARTS / "imagerift-crds")),
        *compatibility(node.server_version),
    )
    for namespace in (NAMESPACE, RUNNERS):
        node.kubectl("create", "namespace", namespace)
    node.apply(s3_from_outside())
    public_url = f"s3.publicUrl=http://{node.address}:{S3_PORT}"
    release = Release(node, options=("--set", public_url))
    release.chart("install")
    release.wait_up()
    node.kubectl("-n", NAMESPACE, "get", "pods,tp", "-o", "wide")
    release.make_key("node")
    return release


@pytest.fixture(scope="session")
def authority(release: Release) -> trustme.CA:
    """Whose certificates the downloads of weights believe."""
    return believed_authority(release)
