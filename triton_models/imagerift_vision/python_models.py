"""Model repositories of Triton's Python backend, run in this process: a job pod has no server.

The same folders as a pool's: the shipped models, and those of your own, modes and safety gates
alike. Models of another backend need a server.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from imagerift_vision import python_backend
from imagerift_vision.entry_model import log_failure
from imagerift_vision.pool_file import ON_GPU
from imagerift_vision.python_backend import InferenceRequest, InferenceResponse, TritonError

log = logging.getLogger(__name__)

API = "triton_python_backend_utils"
SHIPPED = Path(__file__).resolve().parents[1] / "repository"
# A volume of models of one's own, as the server's image looks for it.
EXTRA, EXTRA_VARIABLE = Path("/models/extra"), "IMAGERIFT_EXTRA_MODELS"
BACKEND = re.compile(r'^\s*backend:\s*"([^"]*)"', re.MULTILINE)


class NotHereError(Exception):
    """A model that cannot be run in this process; the text says why, without any path of a job."""


class PythonModels:
    """The models of some repositories, each loaded when it is first called."""

    def __init__(self, repositories: Sequence[Path], kind: str = "KIND_CPU") -> None:
        """`kind` says what the models that can use a GPU run on, as in a pool's file."""
        self._repositories = repositories
        self._kind = kind
        self._modules: dict[str, ModuleType] = {}
        self._loaded: dict[str, Any] = {}

    @classmethod
    def from_environment(
        cls, kind: str, environment: Mapping[str, str] = os.environ
    ) -> "PythonModels":
        """The shipped models, and those of the folder of one's own where there is one."""
        extra = Path(environment.get(EXTRA_VARIABLE) or EXTRA)
        return cls([SHIPPED, *([extra] if extra.is_dir() else [])], kind)

    def install(self) -> None:
        """Have models that import Triton's API find this process's, and their calls come here."""
        sys.modules[API] = python_backend
        InferenceRequest.runs = self.run

    def check(self, name: str) -> None:
        """Look whether the model can be run, as far as that is seen without a device.

        Raises NotHereError where it is none, or what its module and its own `check` raise.
        """
        check = getattr(self._module(name).TritonPythonModel, "check", None)
        if check is not None:
            check(self._arguments(name))

    def run(self, request: InferenceRequest) -> list[InferenceResponse]:
        """Answer a call; one that fails is an error of the response, as a server has it.

        One response, or of a decoupled model all that it sends, once the last is there.
        """
        name = request.model_name()
        try:
            model = self._model(name)
        except Exception as failure:
            # No job's data is in it: it is the administrator's to read, as in Triton's log.
            log.exception("%s was not loaded", name)
            return [_failed(name, failure)]
        try:
            answers = model.execute([request])
            if answers is None:
                return list(request.sent())
            (response,) = answers
        except Exception as failure:  # noqa: BLE001 - a model of anyone's
            log_failure(failure)
            return [_failed(name, failure)]
        return [response]

    def close(self) -> None:
        """Let the models end what they began; what that fails of takes no job's result away."""
        while self._loaded:
            name, model = self._loaded.popitem()
            try:
                if hasattr(model, "finalize"):
                    model.finalize()
            except Exception:
                log.exception("%s did not end well", name)

    def _model(self, name: str) -> Any:
        if name not in self._loaded:
            model = self._module(name).TritonPythonModel()
            if hasattr(model, "initialize"):
                model.initialize(self._arguments(name))
            self._loaded[name] = model
        return self._loaded[name]

    def _folder(self, name: str) -> Path:
        """The newest version of the model. Raises NotHereError where there is none to run."""
        for repository in self._repositories:
            folder = repository / name
            versions = [
                path for path in folder.glob("[0-9]*/model.py") if path.parent.name.isdigit()
            ]
            if versions:
                config = folder / "config.pbtxt"
                backend = BACKEND.search(config.read_text() if config.is_file() else "")
                if backend is not None and backend[1] != "python":
                    raise NotHereError(f"{name} is of the backend {backend[1]}: a server runs it")
                return max(versions, key=lambda path: int(path.parent.name)).parent
        raise NotHereError(f"there is no model {name} for Triton's Python backend")

    def _module(self, name: str) -> ModuleType:
        if name not in self._modules:
            path = self._folder(name) / "model.py"
            spec = spec_from_file_location(f"imagerift_model_{name.replace('-', '_')}", path)
            if spec is None or spec.loader is None:
                raise NotHereError(f"{name} cannot be read")
            module = module_from_spec(spec)
            # Dataclasses look their module up while it is read.
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
            self._modules[name] = module
        return self._modules[name]

    def _arguments(self, name: str) -> dict[str, str]:
        """What Triton tells a model's `initialize`; of its configuration only what is its name."""
        folder = self._folder(name)
        on_gpu = self._kind == "KIND_GPU" and name in ON_GPU
        return {
            "model_name": name,
            "model_version": folder.name,
            "model_repository": str(folder.parent),
            "model_instance_name": f"{name}_0",
            "model_instance_kind": "GPU" if on_gpu else "CPU",
            "model_instance_device_id": "0",
            "model_config": json.dumps({"name": name, "backend": "python"}),
        }


def _failed(name: str, failure: Exception) -> InferenceResponse:
    return InferenceResponse(error=TritonError(f"{name}: {type(failure).__name__}"))
