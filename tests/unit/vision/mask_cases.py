"""What `generate` promises of a caller's own matte, and of pictures without a clear subject."""

import io
import threading
from typing import Any

import numpy as np
import pytest
from generate_cases import Service, picture, request_for
from odd_images import READABLE, scene
from origin import Origin
from PIL import Image, ImageDraw

RED, BLUE = (190, 40, 40), (40, 60, 190)


def two_things() -> bytes:
    """A red thing to the left and a blue one to the right, before grey."""
    image = Image.new("RGB", (640, 480), (176, 176, 170))
    draw = ImageDraw.Draw(image)
    draw.ellipse((90, 150, 270, 330), fill=RED)
    draw.ellipse((370, 150, 550, 330), fill=BLUE)
    return READABLE["png"](image)


def mask(size: tuple[int, int] = (640, 480), *, kind: str = "light") -> bytes:
    """A matte of the right thing, in a picture's light or in its alpha."""
    width, height = size
    matte = Image.new("L", size, 0)
    box = (0.57 * width, 0.3 * height, 0.87 * width, 0.7 * height)
    ImageDraw.Draw(matte).ellipse(box, fill=255)
    if kind == "alpha":
        image = Image.new("RGB", size, (9, 9, 9))
        image.putalpha(matte)
        matte = image
    body = io.BytesIO()
    matte.save(body, "PNG")
    return body.getvalue()


def nothing() -> bytes:
    """Grain all over: no thing in it."""
    rng = np.random.default_rng(4)
    grain = rng.normal(128, 24, (480, 640, 3)).clip(0, 255).astype(np.uint8)
    return READABLE["png"](Image.fromarray(grain))


def share_of(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    """How much of a picture is nearer to that colour than any grey is."""
    away = np.abs(pixels.astype(int) - np.array(colour)).sum(axis=2)
    return float((away < 150).mean())


def asked(origin: Origin, source: bytes, matte: bytes, **changes: Any) -> dict[str, Any]:
    return request_for(origin, source, mask={"url": origin.give("matte", matte)}, **changes)


class MaskCases:
    """The shared cases."""

    @pytest.mark.parametrize("kind", ["light", "alpha"])
    @pytest.mark.parametrize("size", [(640, 480), (1283, 960), (161, 120)])
    def test_a_mask_says_what_the_subject_is(
        self, service: Service, origin: Origin, size: tuple[int, int], kind: str
    ) -> None:
        result = service.generate(asked(origin, two_things(), mask(size, kind=kind)))
        assert result["error"] is None
        assert result["analysis"]["subject"] == {
            "treatment": "cut_out",
            "reason": "given",
            "confidence": None,
        }
        assert "u2netp" not in [model["name"] for model in result["models"]]
        shown = picture(origin)
        assert share_of(shown, BLUE) > 0.05
        assert share_of(shown, RED) < 0.01

    def test_the_same_mask_and_seed_give_the_same_bytes(
        self, service: Service, origin: Origin
    ) -> None:
        first, again, without = (
            service.generate(request)["outputs"][0]["sha256"]
            for request in (
                asked(origin, two_things(), mask()),
                asked(origin, two_things(), mask()),
                request_for(origin, two_things()),
            )
        )
        assert first == again != without

    def test_an_opaque_mask_keeps_the_whole_picture(self, service: Service, origin: Origin) -> None:
        white = READABLE["png"](Image.new("RGB", (64, 48), "white"))
        request = asked(origin, two_things(), white, onUnclearSubject="fail")
        error = service.generate(request)["error"]
        assert (error["code"], error["retryable"]) == ("subject_unclear", False)
        result = service.generate(asked(origin, two_things(), white))
        assert result["analysis"]["subject"]["reason"] == "close_up"
        assert share_of(picture(origin), RED) > 0.02

    @pytest.mark.parametrize(
        ("matte", "code"),
        [
            (mask((640, 640)), "invalid_request"),
            (b"no picture at all" * 9, "unsupported_image"),
        ],
        ids=["other proportions", "no picture"],
    )
    def test_a_mask_that_cannot_be_laid_over_the_source_is_refused(
        self, service: Service, origin: Origin, matte: bytes, code: str
    ) -> None:
        result = service.generate(asked(origin, two_things(), matte))
        assert result["error"]["code"] == code
        assert origin.outputs == {}

    def test_a_mode_that_cuts_nothing_out_refuses_a_mask(
        self, service: Service, origin: Origin
    ) -> None:
        request = asked(origin, two_things(), mask(), mode="enhance", preset=None)
        assert service.generate(request)["error"]["code"] == "invalid_request"

    def test_a_deadline_ends_the_wait_for_a_mask(self, service: Service, origin: Origin) -> None:
        origin.held["matte"] = threading.Event()
        try:
            result = service.generate(asked(origin, two_things(), mask(), secondsLeft=1.2))
        finally:
            origin.held["matte"].set()
        assert result["error"]["code"] == "timeout"

    def test_a_cancel_ends_an_attempt_at_its_mask(self, service: Service, origin: Origin) -> None:
        held = origin.held["matte"] = threading.Event()

        def cancel_when_the_source_is_there() -> None:
            origin.fetched.wait(30)
            service.cancel("stop me/1")
            held.set()

        canceler = threading.Thread(target=cancel_when_the_source_is_there)
        canceler.start()
        result = service.generate(asked(origin, two_things(), mask(), attemptId="stop me/1"))
        canceler.join()
        assert result["error"]["code"] == "canceled"
        assert origin.outputs == {}

    def test_without_a_subject_the_whole_picture_is_graded_or_the_job_fails(
        self, service: Service, origin: Origin
    ) -> None:
        result = service.generate(request_for(origin, nothing()))
        subject = result["analysis"]["subject"]
        assert (subject["treatment"], subject["reason"]) == ("graded", "none")
        assert 0 <= subject["confidence"] <= 1
        assert len(result["outputs"]) == 1
        failed = service.generate(request_for(origin, nothing(), onUnclearSubject="fail"))
        assert failed["error"]["code"] == "subject_unclear"
        assert failed["outputs"] == []

    def test_what_is_surely_cut_out_is_so_either_way(
        self, service: Service, origin: Origin
    ) -> None:
        hashes = []
        for way in ("grade", "fail"):
            result = service.generate(request_for(origin, scene_bytes(), onUnclearSubject=way))
            assert result["analysis"]["subject"]["reason"] == "sure"
            hashes.append(result["outputs"][0]["sha256"])
        assert hashes[0] == hashes[1]


def scene_bytes() -> bytes:
    """The usual picture of a thing."""
    return READABLE["png"](scene())
