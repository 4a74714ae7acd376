"""Tests of the pixel code. They run in the models' environment (`make test-vision`)."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[2]
sys.path[:0] = [str(HERE), str(CHECKOUT / "triton_models"), str(CHECKOUT)]

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


class Loaded(dict):
    """The modes' networks, each loaded once, when it is first asked for."""

    def __missing__(self, name):
        import_module("imagerift_vision.runtime").limit_threads(1)
        mode = getattr(import_module(f"imagerift_vision.{name}"), f"{name.capitalize()}Mode")
        return self.setdefault(name, mode(threads=1))


@pytest.fixture(scope="session")
def loaded():
    """The modes by name."""
    return Loaded()


@pytest.fixture(scope="session")
def decoding():
    """Where sources are decoded: one server of processes for all tests."""
    made = import_module("imagerift_vision.decoding_process").DecodingProcess()
    yield made
    made.close()


@pytest.fixture
def guard(tmp_path):
    """Nothing stops the work."""
    control = import_module("imagerift_vision.control")
    return control.AttemptGuard(control.CancelFlags(tmp_path), "test", float("inf"))


@pytest.fixture
def service(origin, loaded, decoding, tmp_path):
    """The pipeline without a server but the store."""
    flags = import_module("imagerift_vision.control").CancelFlags(tmp_path)
    plain = import_module("plain_service").Plain(origin, flags, loaded, decoding)
    yield plain
    plain.pipeline.client.close()
