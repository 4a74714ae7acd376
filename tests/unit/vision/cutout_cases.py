"""What `generate` promises of cut-outs, and of sources that are transparent."""

import io
import threading
from typing import Any

import numpy as np
import pytest
from generate_cases import Service, picture, request_for
from mask_cases import BLUE, RED, asked, mask, nothing, share_of, two_things
from odd_images import READABLE, scene
from origin import Origin
from PIL import Image, ImageDraw


def cut(origin: Origin, data: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """A REQUEST for one cut-out."""
    return request_for(origin, data, **({"mode": "cutout", "preset": None} | changes))


def transparent() -> bytes:
    """A red thing on nothing, whose hidden colours are green."""
    image = Image.new("RGBA", (480, 320), (0, 200, 0, 0))
    ImageDraw.Draw(image).ellipse((140, 60, 340, 260), fill=(*RED, 255))
    body = io.BytesIO()
    image.save(body, "PNG")
    return body.getvalue()


class CutoutCases:
    """The shared cases."""

    @pytest.mark.parametrize("output_format", ["png", "webp", "avif"])
    def test_a_cutout_is_transparent_in_every_format_that_can_be(
        self, service: Service, origin: Origin, output_format: str
    ) -> None:
        result = service.generate(cut(origin, outputFormat=output_format))
        assert result["error"] is None
        assert result["preset"] == "transparent"
        assert result["analysis"]["subject"]["treatment"] == "cut_out"
        assert result["analysis"]["subject"]["confidence"] >= 0.5
        shown = picture(origin)
        assert shown.shape == (683, 1024, 4)
        assert shown[2, 2, 3] == 0
        assert 0.03 < (shown[..., 3] == 255).mean() < 0.6
        small = picture(origin, "small-0")
        assert small.shape[2] == 4
        assert small[1, 1, 3] == 0
        image = Image.open(io.BytesIO(origin.outputs["0"][1]))
        xmp = image.info["XML:com.adobe.xmp" if output_format == "png" else "xmp"]
        assert 'imagerift:mode="cutout"' in (xmp if isinstance(xmp, str) else xmp.decode())
        assert b"SECRET" not in origin.outputs["0"][1]

    @pytest.mark.parametrize("output_format", ["png", "webp", "avif", "jpeg"])
    def test_the_same_request_gives_the_same_bytes(
        self, service: Service, origin: Origin, output_format: str
    ) -> None:
        ask = {"preset": "marketplace", "cutout": {"shadow": "drop"}, "outputFormat": output_format}
        first, again = (
            service.generate(cut(origin, seed=seed, **ask))["outputs"][0] for seed in (7, 7)
        )
        assert first["sha256"] == again["sha256"]

    def test_a_marketplaces_main_image(self, service: Service, origin: Origin) -> None:
        size = {"width": 800, "height": 1000}
        result = service.generate(
            cut(origin, preset="marketplace", cutout=size, outputFormat="jpeg")
        )
        assert result["error"] is None
        shown = picture(origin)
        assert shown.shape == (1000, 800, 3)
        assert (result["outputs"][0]["width"], result["outputs"][0]["height"]) == (800, 1000)
        edges = np.concatenate([shown[:20].reshape(-1, 3), shown[-20:].reshape(-1, 3)])
        assert (edges >= 253).all()
        dark = (shown.astype(int).sum(axis=2) < 720).any(axis=0)
        wide = np.flatnonzero(dark)[-1] + 1 - np.flatnonzero(dark)[0]
        assert wide / 800 == pytest.approx(0.85, abs=0.02)

    def test_jpeg_shows_what_is_transparent_on_white(
        self, service: Service, origin: Origin
    ) -> None:
        assert service.generate(cut(origin, outputFormat="jpeg"))["error"] is None
        assert picture(origin)[2, 2].tolist() == [255, 255, 255]

    def test_a_mask_says_what_is_cut_out(self, service: Service, origin: Origin) -> None:
        request = asked(origin, two_things(), mask(), mode="cutout", preset=None)
        result = service.generate(request)
        assert result["analysis"]["subject"] == {
            "treatment": "cut_out",
            "reason": "given",
            "confidence": None,
        }
        shown = picture(origin)
        assert shown[..., 3].mean() > 5
        opaque = np.where(shown[..., 3:] > 128, shown[..., :3], 128)
        assert share_of(opaque, BLUE) > 0.04
        assert share_of(opaque, RED) == 0

    def test_without_a_subject_nothing_is_made(self, service: Service, origin: Origin) -> None:
        for way in ("grade", "fail", "cut"):
            result = service.generate(cut(origin, nothing(), onUnclearSubject=way))
            assert result["error"]["code"] == "subject_unclear"
            assert result["outputs"] == []

    def test_a_cancel_ends_a_cutout(self, service: Service, origin: Origin) -> None:
        held = origin.held["photo"] = threading.Event()
        request = cut(origin, READABLE["png"](scene()), attemptId="stop a cutout/1")
        service.cancel("stop a cutout/1")
        held.set()
        assert service.generate(request)["error"]["code"] == "canceled"
        assert origin.outputs == {}

    def test_a_transparent_source_stays_so_when_it_is_enhanced(
        self, service: Service, origin: Origin
    ) -> None:
        ask = {"mode": "enhance", "preset": None}
        result = service.generate(request_for(origin, transparent(), **ask, outputFormat="webp"))
        assert result["error"] is None
        shown = picture(origin)
        assert shown.shape == (683, 1024, 4)
        alpha = shown[..., 3].astype(int)
        assert alpha[5, 5] == 0 and alpha[340, 512] == 255
        assert (alpha > 128).mean() == pytest.approx(np.pi * 100 * 100 / (480 * 320), rel=0.05)
        # Neither paper nor the hidden green comes in at the edge.
        edge = shown[(alpha > 90) & (alpha < 250)][:, :3].astype(int)
        assert np.percentile(edge[:, 1], 95) < 110
        service.generate(request_for(origin, transparent(), **ask, outputFormat="jpeg"))
        assert (picture(origin)[5, 5] >= 250).all()

    def test_a_transparent_source_is_framed_with_its_alpha(
        self, service: Service, origin: Origin
    ) -> None:
        ask = {"mode": "enhance", "preset": None, "outputAspect": "9:16"}
        assert service.generate(request_for(origin, transparent(), **ask))["error"] is None
        shown = picture(origin)
        assert shown.shape == (1024, 576, 4)
        solid = shown[..., 3] > 200
        redness = shown[solid][:, 0].astype(int) - shown[solid][:, 1]
        assert 0.1 < solid.mean() < 0.9
        assert np.percentile(redness, 2) > 60
