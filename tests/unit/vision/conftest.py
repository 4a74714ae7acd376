"""Tests of the pixel code. They run in the models' environment (`make test-vision`)."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "triton_models")]

# The servers' environment has no OpenCV: there, the models' environment runs these files.
collect_ignore_glob = [] if find_spec("cv2") else ["*"]


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
def style():
    """The mode's networks, loaded once."""
    runtime = import_module("imagerift_vision.runtime")
    runtime.limit_threads(1)
    return import_module("imagerift_vision.style").StyleMode(threads=1)
