"""The pipeline as plain functions: every case of `generate` without a server but the store."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from cutout_cases import CutoutCases
from generate_cases import GenerateCases, request_for
from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.entry_model import answer
from imagerift_vision.generate import Pipeline
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.settings import MODE_MODELS
from imagerift_vision.storage import OriginClient
from mask_cases import MaskCases
from origin import Origin


class Mode(Protocol):
    """A mode's plain class."""

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer: ...


class Modes:
    """Runs the modes in this process."""

    def __init__(self, loaded: Mapping[str, Mode], flags: CancelFlags) -> None:
        self.loaded = loaded
        self.flags = flags
        self.raises: Exception | None = None

    def call(self, call: ModeCall) -> ModeAnswer:
        if self.raises is not None:
            raise self.raises
        guard = AttemptGuard.begun(self.flags, call.attempt_id, call.seconds_left)
        return self.loaded[call.model].run(call, guard)


class Plain:
    """The pipeline, called."""

    def __init__(
        self,
        origin: Origin,
        flags: CancelFlags,
        loaded: Mapping[str, Mode],
        decoding: DecodingProcess,
    ) -> None:
        self.flags = flags
        self.modes = Modes(loaded, flags)
        self.pipeline = Pipeline(
            OriginClient(origin.url), self.modes, MODE_MODELS, decoding=decoding
        )

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        return json.loads(answer(json.dumps(request), self.flags, self.pipeline.run).to_json())

    def cancel(self, attempt_id: str) -> None:
        self.flags.raise_flag(attempt_id)


@pytest.fixture
def service(origin: Origin, loaded: Mapping[str, Mode], decoding: DecodingProcess, tmp_path: Path):
    plain = Plain(origin, CancelFlags(tmp_path), loaded, decoding)
    yield plain
    plain.pipeline.client.close()


class TestCutouts(CutoutCases):
    """All shared cases of cut-outs."""


class TestMasks(MaskCases):
    """All shared cases of masks and unclear subjects."""


class TestGenerate(GenerateCases):
    """All shared cases."""

    @pytest.mark.parametrize(
        ("raised", "code"),
        [(ValueError("SECRETPROMPT"), "model_error"), (MemoryError(), "out_of_memory")],
    )
    def test_a_model_that_raises_fails_its_job_alone(
        self, service: Plain, origin: Origin, raised: Exception, code: str
    ) -> None:
        service.modes.raises = raised
        error = service.generate(request_for(origin))["error"]
        assert error["code"] == code
        assert "SECRETPROMPT" not in error["message"]
        service.modes.raises = None
        assert service.generate(request_for(origin))["error"] is None

    def test_without_an_origin_nothing_is_fetched(self, service: Plain, origin: Origin) -> None:
        service.pipeline.client = OriginClient(None)
        assert service.generate(request_for(origin))["error"]["code"] == "invalid_request"
        assert origin.requests == []

    def test_a_store_that_is_down_is_worth_a_retry(self, service: Plain, origin: Origin) -> None:
        service.pipeline.client = OriginClient("http://127.0.0.1:9")
        request = request_for(origin, source={"url": "http://127.0.0.1:9/source/photo"})
        error = service.generate(request)["error"]
        assert (error["code"], error["retryable"]) == ("input_unavailable", True)
