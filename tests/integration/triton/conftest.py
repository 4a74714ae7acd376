"""Tests through a real Triton.

`IMAGERIFT_TEST_MODELS_PYTHON` names the Python of the models' environment; the client side runs in
the servers' environment.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# The cases are shared with the tests of the plain pipeline.
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "unit" / "vision")]
# Which families there are is told by the pixel code itself.
sys.path.append(str(HERE.parents[2] / "triton_models"))


@pytest.fixture(scope="session")
def _server():
    with import_module("origin").serve() as origin:
        yield origin


@pytest.fixture
def origin(_server):
    """An empty store."""
    _server.forget()
    return _server


@pytest.fixture(scope="session")
def triton(_server, tmp_path_factory):
    """A server with every model loaded."""
    python = os.environ.get("IMAGERIFT_TEST_MODELS_PYTHON")
    if not python:
        pytest.fail("set IMAGERIFT_TEST_MODELS_PYTHON to the Python of the models' environment")
    run = import_module("triton_server").run
    with run(Path(python), _server.url, tmp_path_factory.mktemp("triton")) as server:
        yield server


@pytest.fixture
def service(triton):
    """What the shared cases ask."""
    return triton
