"""Every case of `generate` through a real Triton, and what only a server can get wrong."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cutout_cases import CutoutCases
from generate_cases import GenerateCases, request_for
from odd_images import READABLE, scene
from origin import Origin
from PIL import Image
from triton_server import Triton

from tests.support.products import file_of, product

_JPEG = READABLE["jpeg"](scene())


class TestGenerate(GenerateCases):
    """All shared cases."""

    @pytest.mark.parametrize("mode", ["broken", "absent"])
    def test_a_mode_that_throws_fails_its_job_alone(
        self, triton: Triton, origin: Origin, mode: str
    ) -> None:
        error = triton.generate(request_for(origin, mode=mode))["error"]
        assert error["code"] == "model_error"
        assert "SECRET" not in error["message"]
        assert "http" not in error["message"]
        assert triton.is_ready()
        assert triton.generate(request_for(origin))["error"] is None

    def test_two_jobs_run_at_once(self, triton: Triton, origin: Origin) -> None:
        slow = request_for(origin, attemptId="slow/1", source={"url": origin.give("slow", _JPEG)})
        origin.held["slow"] = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(triton.generate, slow)
            try:
                # The first job waits for its source until the second has ended.
                assert triton.generate(request_for(origin, attemptId="quick/1"))["error"] is None
                assert not running.done()
            finally:
                origin.held["slow"].set()
            assert running.result()["error"] is None

    def test_a_canceled_job_frees_its_slot(self, triton: Triton, origin: Origin) -> None:
        long = [
            request_for(origin, attemptId=f"long {n}/1", variations=8, seed=n) for n in range(2)
        ]
        with ThreadPoolExecutor(3) as pool:
            running = [pool.submit(triton.generate, request) for request in long]
            assert origin.fetched.wait(30)
            waiting = pool.submit(triton.generate, request_for(origin, attemptId="next/1"))
            for request in long:
                triton.cancel(request["attemptId"])
            assert [job.result()["error"]["code"] for job in running] == ["canceled"] * 2
            assert waiting.result()["error"] is None


class TestCutouts(CutoutCases):
    """All shared cases of cut-outs: their pictures have four channels on the wire."""


class TestScenes:
    """A scene without a diffusion model: the studio's set, and the product's own pixels."""

    def test_a_product_is_kept_and_its_proof_is_in_the_file(
        self, triton: Triton, origin: Origin
    ) -> None:
        body = file_of(product("mug", 1))
        ask = {"mode": "scene", "exportSize": "2k", "variations": 2}
        result = triton.generate(request_for(origin, body, **ask))
        assert (result["error"], result["omitted"]) == (None, [])
        assert {"name": "imagerift-scene", "version": "1"} in result["models"]
        for name in ("0", "1"):
            info = Image.open(io.BytesIO(origin.outputs[name][1])).info
            assert info["imagerift:subject"] == "kept"
            assert info["imagerift:subjectDifference"] == "0/255"


class TestBenchModels:
    """The benchmark's models keep the contract of `generate`."""

    @pytest.mark.parametrize("model", ["noop", "delay"])
    def test_the_source_arrives_unchanged(self, triton: Triton, origin: Origin, model: str) -> None:
        request = request_for(origin, variations=2)
        result = triton.infer(model, "REQUEST", request)
        assert result["error"] is None
        assert [output["index"] for output in result["outputs"]] == [0, 1]
        assert (result["outputs"][0]["width"], result["outputs"][0]["height"]) == (480, 320)
        assert origin.outputs["1"] == ("image/png", READABLE["jpeg"](scene()))

    def test_delay_ends_at_cancel_and_deadline(self, triton: Triton, origin: Origin) -> None:
        timeout = _delay_request(origin, origin.give("photo", READABLE["jpeg"](scene())), "late/1")
        timeout["secondsLeft"] = 0.05
        assert triton.infer("delay", "REQUEST", timeout)["error"]["code"] == "timeout"
        request = _delay_request(
            origin, origin.give("photo", READABLE["jpeg"](scene())), "stopped/1"
        )
        origin.fetched.clear()

        def cancel_when_fetched() -> None:
            assert origin.fetched.wait(10)
            triton.cancel("stopped/1")

        canceler = threading.Thread(target=cancel_when_fetched)
        canceler.start()
        result = triton.infer("delay", "REQUEST", request)
        canceler.join()
        assert result["error"]["code"] == "canceled"
        assert origin.outputs == {}


class TestControl:
    """The `control` model."""

    @pytest.mark.parametrize("command", [{}, {"cancel": ""}, {"cancel": 5}, ["cancel"], "cancel"])
    def test_a_command_without_an_attempt_flags_nothing(self, triton: Triton, command: Any) -> None:
        assert triton.infer("control", "COMMAND", command) == {"flagged": False}

    def test_it_tells_what_the_modes_can_do(self, triton: Triton) -> None:
        told = triton.infer("control", "COMMAND", {"describe": True})
        assert told["flagged"] is False
        assert told["modes"]["scene"] == {"oneAspect": False, "references": 0}
        assert {"style", "duotone", "careless"} <= told["modes"].keys()

    def test_it_tells_how_far_a_job_is_and_how_many_run_at_once(
        self, triton: Triton, origin: Origin
    ) -> None:
        request = request_for(origin, variations=8, attemptId="followed/1")
        seen, result = _followed(triton, request)
        assert result["error"] is None
        assert {told["pictures"] for told in seen} == {8}
        assert {"model", "encode", "upload"} & {told["stage"] for told in seen}
        drawn = [told.get("drawn", 0) for told in seen]
        assert drawn == sorted(drawn)
        assert len(set(drawn)) > 2
        asked = {"progress": ["followed/1"]}
        told = triton.infer("control", "COMMAND", asked)
        assert told == {"flagged": False, "progress": {}, "slots": {"generate": 2}}

    def test_a_job_that_waits_for_its_mode_s_model_says_so_and_loses_no_time(
        self, triton: Triton, origin: Origin
    ) -> None:
        """`enhance` has one instance in this pool, and `generate` two."""
        both = [
            request_for(origin, mode="enhance", preset=None, waitSeconds=60)
            | {"attemptId": f"both {n}/1"}
            for n in range(2)
        ]
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(triton.generate, both[0])
            seen, result = _followed(triton, both[1], both[0]["attemptId"])
            results = [result, other.result()]
        assert [one["error"] for one in results] == [None, None]
        assert "waiting" in {told["stage"] for told in seen}
        waits = [one["metrics"].get("waitMs", 0) for one in results]
        assert max(waits) > 20


def _followed(
    triton: Triton, request: dict[str, Any], *others: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All that `control` tells of these attempts while a request runs, and its RESULT."""
    seen: list[dict[str, Any]] = []
    command = {"progress": [request["attemptId"], *others]}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(triton.generate, request)
        while not running.done():
            seen += triton.infer("control", "COMMAND", command)["progress"].values()
            time.sleep(0.02)
        return seen, running.result()


def _delay_request(origin: Origin, source: str, attempt_id: str) -> dict[str, Any]:
    return request_for(origin) | {"attemptId": attempt_id, "source": {"url": source}}
