"""Servers of the contract tests: the embedded platform's where it runs, else private ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control_plane import ControlPlane
from tests.support.server_processes import (
    Mongod,
    S3Address,
    SeaweedFs,
    platform_environment,
)


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A replica set; tests take a database of their own in it."""
    given = os.environ.get("IMAGERIFT_TEST_MONGO_URL") or platform_environment().get(
        "IMAGERIFT_MONGO_URL"
    )
    if given:
        yield given
        return
    server = Mongod(tmp_path_factory.mktemp("mongod"))
    try:
        server.start()
        yield server.url
    finally:
        server.kill()


@pytest.fixture(scope="session")
def failing_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A replica set whose commands can be made to fail."""
    server = Mongod(tmp_path_factory.mktemp("failing-mongod"), can_fail=True)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def s3_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Address]:
    """An S3 endpoint; tests take a bucket of their own in it."""
    given = platform_environment()
    if "IMAGERIFT_S3_INTERNAL_URL" in given:
        yield S3Address(
            internal_url=given["IMAGERIFT_S3_INTERNAL_URL"],
            public_url=given["IMAGERIFT_S3_PUBLIC_URL"],
            access_key=given["IMAGERIFT_S3_ACCESS_KEY"],
            secret_key=given["IMAGERIFT_S3_SECRET_KEY"],
            region=given.get("IMAGERIFT_S3_REGION", "us-east-1"),
        )
        return
    server = SeaweedFs(tmp_path_factory.mktemp("seaweedfs"))
    try:
        server.start()
        yield server.address
    finally:
        server.kill()


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An administrator's way into a cluster; tests take a namespace of their own in it."""
    given = os.environ.get("IMAGERIFT_TEST_KUBECONFIG") or platform_environment().get("KUBECONFIG")
    if given:
        yield Path(given)
        return
    server = ControlPlane(tmp_path_factory.mktemp("kubernetes"))
    try:
        server.start()
        yield server.kubeconfig
    finally:
        server.stop()
