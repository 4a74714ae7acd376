"""What `generate` promises, asked of whatever `service` is: the plain pipeline, or Triton."""

import hashlib
import io
import threading
import time
from typing import Any, Protocol

import numpy as np
import pytest
from imagerift_contract.values import CONTENT_TYPES
from odd_images import READABLE, REFUSED, scene, with_srgb_profile_and_gps
from origin import Origin
from PIL import Image

SECRETS = ("SECRETSIGNATURE", "http://", "SECRETPROMPT", "/source/", "/output/")


class Service(Protocol):
    """Something that answers REQUEST documents."""

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a REQUEST with its RESULT."""

    def cancel(self, attempt_id: str) -> None:
        """Flag an attempt."""


def request_for(origin: Origin, data: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """A REQUEST for one base picture; `changes` replaces members."""
    source = origin.give("photo", READABLE["jpeg"](scene()) if data is None else data)
    document: dict[str, Any] = {
        "attemptId": f"job_{hashlib.sha256(repr(changes).encode()).hexdigest()[:12]}/1",
        "secondsLeft": 120,
        "source": {"url": source},
        "mode": "style",
        "preset": "studio",
        "prompt": "SECRETPROMPT of a mug",
        "seed": 7,
        "variations": 1,
        "exportSize": "base",
        "outputAspect": "source",
        "outputFormat": "png",
        "traceparent": None,
    }
    document.update(changes)
    shapes = document.get("outputs") or [{"format": document["outputFormat"]}]
    formats = [shape.get("format", "png") for shape in shapes] * document["variations"]
    document.setdefault(
        "targets",
        [
            {
                "index": i,
                "url": origin.target(f"{i}"),
                "contentType": CONTENT_TYPES[output_format],
                "thumbnailUrl": origin.target(f"small-{i}"),
            }
            for i, output_format in enumerate(formats)
        ],
    )
    return document


def picture(origin: Origin, name: str = "0") -> np.ndarray:
    """An uploaded output's pixels."""
    return np.asarray(Image.open(io.BytesIO(origin.outputs[name][1])))


def likeness(first: np.ndarray, second: np.ndarray, mask: np.ndarray) -> float:
    """Mean SSIM (Wang et al. 2004, 7 x 7 windows) of two pictures' brightness under a mask."""
    a, b = (np.asarray(Image.fromarray(x).convert("L"), np.float64) for x in (first, second))
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    var_a, var_b = _window_mean(a * a) - mean_a**2, _window_mean(b * b) - mean_b**2
    both = _window_mean(a * b) - mean_a * mean_b
    score = ((2 * mean_a * mean_b + 6.5025) * (2 * both + 58.5225)) / (
        (mean_a**2 + mean_b**2 + 6.5025) * (var_a + var_b + 58.5225)
    )
    return float(score[mask[3:-3, 3:-3]].mean())


def _window_mean(values: np.ndarray) -> np.ndarray:
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return (sums[7:, 7:] - sums[:-7, 7:] - sums[7:, :-7] + sums[:-7, :-7]) / 49


class GenerateCases:
    """The shared cases."""

    @pytest.mark.parametrize("kind", REFUSED)
    def test_every_other_file_gets_its_code(
        self, service: Service, origin: Origin, kind: str
    ) -> None:
        make, code = REFUSED[kind]
        result = service.generate(request_for(origin, make()))
        assert result["error"]["code"] == code
        assert result["error"]["retryable"] is False
        assert result["outputs"] == []
        assert origin.outputs == {}

    def test_a_foreign_source_is_never_asked_for(self, service: Service, origin: Origin) -> None:
        foreign = origin.url.replace("127.0.0.1", "localhost") + "/source/photo"
        result = service.generate(request_for(origin, source={"url": foreign}))
        assert result["error"]["code"] == "invalid_request"
        assert origin.requests == []

    @pytest.mark.parametrize("change", ["port", "scheme", "user"])
    def test_an_origin_is_compared_whole(
        self, service: Service, origin: Origin, change: str
    ) -> None:
        host = origin.url.removeprefix("http://")
        name, port = host.split(":")
        foreign = {
            "port": f"http://{name}:{int(port) - 1}/source/photo",
            "scheme": f"https://{host}/source/photo",
            "user": f"http://{host}@{name}:1/source/photo",
        }[change]
        result = service.generate(request_for(origin, source={"url": foreign}))
        assert result["error"]["code"] == "invalid_request"
        assert origin.requests == []

    def test_a_foreign_target_is_never_put_to(self, service: Service, origin: Origin) -> None:
        foreign = origin.url.replace("127.0.0.1", "localhost") + "/output/0"
        target = {"index": 0, "url": foreign, "contentType": "image/png"}
        result = service.generate(request_for(origin, targets=[target]))
        assert result["error"]["code"] == "invalid_request"
        assert origin.outputs == {}

    def test_a_redirect_is_not_followed(self, service: Service, origin: Origin) -> None:
        url = f"{origin.url}/redirect/photo"
        result = service.generate(request_for(origin, source={"url": url}))
        assert result["error"]["code"] == "input_unavailable"
        assert origin.requests == ["GET /redirect/photo"]

    @pytest.mark.parametrize(
        ("status", "retryable"), [(403, False), (404, False), (500, True), (503, True)]
    )
    def test_a_source_that_is_not_given_is_input_unavailable(
        self, service: Service, origin: Origin, status: int, retryable: bool
    ) -> None:
        url = f"{origin.url}/error/{status}"
        result = service.generate(request_for(origin, source={"url": url}))
        assert result["error"]["code"] == "input_unavailable"
        assert result["error"]["retryable"] is retryable

    def test_a_refused_upload_fails_the_job(self, service: Service, origin: Origin) -> None:
        origin.refuse_uploads_of.add("0")
        result = service.generate(request_for(origin))
        assert result["error"]["code"] == "output_upload_failed"
        assert result["outputs"] == []

    def test_one_refused_upload_omits_that_variation_alone(
        self, service: Service, origin: Origin
    ) -> None:
        origin.refuse_uploads_of.add("1")
        result = service.generate(request_for(origin, variations=3))
        assert result["error"] is None
        assert [output["index"] for output in result["outputs"]] == [0, 2]
        assert result["omitted"] == [{"index": 1, "code": "output_upload_failed"}]

    def test_a_refused_thumbnail_loses_no_output(self, service: Service, origin: Origin) -> None:
        origin.refuse_uploads_of.add("small-1")
        result = service.generate(request_for(origin, variations=2))
        assert result["omitted"] == []
        assert [output["thumbnail"] for output in result["outputs"]] == [True, False]

    def test_without_a_place_for_a_thumbnail_none_is_made(
        self, service: Service, origin: Origin
    ) -> None:
        target = {"index": 0, "url": origin.target("0"), "contentType": "image/png"}
        [output] = service.generate(request_for(origin, targets=[target]))["outputs"]
        assert output["thumbnail"] is False
        assert set(origin.outputs) == {"0"}

    def test_errors_tell_no_secret(self, service: Service, origin: Origin) -> None:
        origin.refuse_uploads_of.add("0")
        url = f"{origin.url}/redirect/photo?X-Amz-Signature=SECRETSIGNATURE"
        for request in (
            request_for(origin),
            request_for(origin, source={"url": url}),
            request_for(origin, b"no image"),
            request_for(origin, preset="SECRETPROMPT"),
        ):
            message = service.generate(request)["error"]["message"]
            assert message
            assert not any(secret in message for secret in SECRETS)

    def test_an_unknown_mode_or_preset_is_refused(self, service: Service, origin: Origin) -> None:
        for change in ({"mode": "levitate"}, {"preset": "levitate"}):
            result = service.generate(request_for(origin, **change))
            assert result["error"]["code"] == "invalid_request"

    def test_a_flagged_attempt_never_starts(self, service: Service, origin: Origin) -> None:
        service.cancel("flagged before/1")
        result = service.generate(request_for(origin, attemptId="flagged before/1"))
        assert result["error"]["code"] == "canceled"
        assert origin.requests == []

    def test_eight_variations_are_eight_pictures_and_cancel_stops_them_early(
        self, service: Service, origin: Origin
    ) -> None:
        started = time.monotonic()
        result = service.generate(request_for(origin, variations=8))
        uncanceled = time.monotonic() - started
        assert [output["index"] for output in result["outputs"]] == list(range(8))
        assert len({output["sha256"] for output in result["outputs"]}) == 8
        origin.forget()

        def cancel_when_fetched() -> None:
            origin.fetched.wait(30)
            service.cancel("stop me/1")

        canceler = threading.Thread(target=cancel_when_fetched)
        canceler.start()
        started = time.monotonic()
        result = service.generate(request_for(origin, attemptId="stop me/1", variations=8))
        canceler.join()
        assert result["error"]["code"] == "canceled"
        assert result["outputs"] == []
        assert time.monotonic() - started < uncanceled / 2

    def test_a_deadline_ends_a_running_attempt(self, service: Service, origin: Origin) -> None:
        deadline = time.monotonic() + 1.2
        result = service.generate(request_for(origin, secondsLeft=1.2, variations=8))
        assert result["error"]["code"] == "timeout"
        assert time.monotonic() - deadline < 5

    def test_same_seed_same_bytes(self, service: Service, origin: Origin) -> None:
        hashes = [
            service.generate(request_for(origin, preset=preset))["outputs"][0]["sha256"]
            for preset in ("studio", "oil", "studio", "oil")
        ]
        assert hashes[:2] == hashes[2:]
        assert hashes[0] != hashes[1]

    def test_a_variation_equals_the_single_picture_of_its_seed(
        self, service: Service, origin: Origin
    ) -> None:
        several = service.generate(request_for(origin, seed=40, variations=3))
        single = service.generate(request_for(origin, seed=42))
        assert [output["seed"] for output in several["outputs"]] == [40, 41, 42]
        assert several["outputs"][2]["sha256"] == single["outputs"][0]["sha256"]

    def test_each_output_of_a_variation_is_the_single_picture_of_its_seed_in_that_shape(
        self, service: Service, origin: Origin
    ) -> None:
        shapes = [{"aspect": "9:16", "format": "webp"}, {"aspect": "1:1", "format": "jpeg"}]
        result = service.generate(request_for(origin, seed=40, variations=2, outputs=shapes))
        told = {output["index"]: output for output in result["outputs"]}
        assert {index: output["seed"] for index, output in told.items()} == {
            0: 40, 1: 40, 2: 41, 3: 41,
        }  # fmt: skip
        for index, size in enumerate([(576, 1024), (1024, 1024)] * 2):
            content_type, body = origin.outputs[f"{index}"]
            assert (
                content_type
                == told[index]["contentType"]
                == ("image/webp", "image/jpeg")[index % 2]
            )
            assert (told[index]["width"], told[index]["height"]) == size
            assert Image.open(io.BytesIO(body)).size == size
        single = service.generate(
            request_for(origin, seed=41, outputAspect="9:16", outputFormat="webp")
        )
        assert single["outputs"][0]["sha256"] == told[2]["sha256"]

    def test_seeds_go_round_at_their_end(self, service: Service, origin: Origin) -> None:
        result = service.generate(request_for(origin, seed=2**32 - 1, variations=2))
        assert [output["seed"] for output in result["outputs"]] == [2**32 - 1, 0]

    @pytest.mark.parametrize(
        ("size", "aspect", "expected"),
        [
            ("base", "1:1", (1024, 1024)),
            ("base", "9:16", (576, 1024)),
            ("base", "16:9", (1024, 576)),
            ("2k", "4:5", (1638, 2048)),
        ],
    )
    def test_sizes_and_aspects(
        self,
        service: Service,
        origin: Origin,
        size: str,
        aspect: str,
        expected: tuple[int, int],
    ) -> None:
        request = request_for(origin, exportSize=size, outputAspect=aspect, outputFormat="jpeg")
        [output] = service.generate(request)["outputs"]
        assert (output["width"], output["height"]) == expected
        assert Image.open(io.BytesIO(origin.outputs["0"][1])).size == expected

    @pytest.mark.parametrize("output_format", CONTENT_TYPES)
    def test_outputs_say_how_they_were_made_and_nothing_of_the_source(
        self, service: Service, origin: Origin, output_format: str
    ) -> None:
        request = request_for(
            origin, with_srgb_profile_and_gps(scene()), outputFormat=output_format
        )
        result = service.generate(request)
        content_type, body = origin.outputs["0"]
        assert content_type == CONTENT_TYPES[output_format]
        image = Image.open(io.BytesIO(body))
        xmp = image.info["xmp"] if output_format != "png" else image.info["XML:com.adobe.xmp"]
        text = xmp.decode() if isinstance(xmp, bytes) else xmp
        assert 'imagerift:seed="7"' in text
        assert 'imagerift:preset="studio"' in text
        for model in result["models"]:
            assert f"{model['name']} {model['version']}" in text
        assert not image.getexif()
        assert b"SECRET" not in body

    def test_enhance_makes_one_picture_with_the_same_bytes_for_any_seed(
        self, service: Service, origin: Origin
    ) -> None:
        ask = {"mode": "enhance", "preset": None, "outputAspect": "4:5"}
        hashes = []
        for seed in (1, 99):
            result = service.generate(request_for(origin, **ask, seed=seed, outputFormat="webp"))
            assert result["preset"] is None
            assert "imagerift-enhance" in [model["name"] for model in result["models"]]
            hashes.append(picture(origin).tobytes())
        assert hashes[0] == hashes[1]
        assert picture(origin).shape == (1024, 819, 3)
        for wrong in ({"variations": 2}, {"preset": "studio"}):
            result = service.generate(request_for(origin, **(ask | wrong)))
            assert result["error"]["code"] == "invalid_request"

    def test_metrics_tell_every_stage(self, service: Service, origin: Origin) -> None:
        metrics = service.generate(request_for(origin))["metrics"]
        assert set(metrics) == {"fetchMs", "decodeMs", "modelMs", "encodeMs", "uploadMs"}
        assert all(value > 0 for value in metrics.values())

    @pytest.mark.parametrize(
        "broken",
        [
            {"variations": 0},
            {"variations": 9, "targets": []},
            {"outputs": []},
            {"outputs": [{"aspect": "1:1"}] * 9},
            {"outputs": [{"aspect": "1:1"}, {"format": "webp"}], "targets": []},
            {"seed": -1},
            {"seed": 1.5},
            {"targets": []},
            {"exportSize": "8k"},
            {"outputAspect": "5:1"},
            {"source": "nowhere"},
            {"secondsLeft": "a while"},
            {"secondsLeft": -1},
        ],
    )
    def test_a_wrong_request_is_answered_not_thrown(
        self, service: Service, origin: Origin, broken: dict[str, Any]
    ) -> None:
        document = request_for(origin)
        document.update(broken)
        result = service.generate(document)
        assert result["error"]["code"] == "invalid_request"
        assert origin.requests == []
