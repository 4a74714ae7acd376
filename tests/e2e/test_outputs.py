"""One job, several shapes of each variation: each as it was asked for, and charged by picture."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.e2e.resources import manifest, resource
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest

OUTPUTS = [
    {"aspect": "1:1", "size": "2k", "format": "jpeg"},
    {"aspect": "9:16"},
    {"aspect": "16:9", "format": "webp"},
]
SIZES = [(2048, 2048), (576, 1024), (1024, 576)]
FORMATS = ["JPEG", "PNG", "WEBP"]


def grey(picture: Image.Image) -> np.ndarray:
    """The middle of a picture, small."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    middle = picture.convert("L").crop((left, top, left + side, top + side))
    return np.asarray(middle.resize((32, 32)), float)


def test_two_variations_in_three_outputs_are_six_pictures_and_a_canceled_job_is_none(
    tenant: Tenant, photo: bytes
) -> None:
    before = tenant.counters()
    answer = tenant.submit(photo, variations=2, seed=40, outputs=OUTPUTS)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["quota"]["units"], answer.json()["quota"]["reserved"]) == (6, 6)

    job = tenant.follow(answer.json()["jobId"])
    assert job["status"] == "succeeded", job["error"]
    assert (job["quota"]["charged"], job["quota"]["units"]) == (True, 6)
    told = [
        (output["index"], output["variation"], output["output"], output["seed"])
        for output in job["outputs"]
    ]
    assert told == [(i, i // 3, i % 3, 40 + i // 3) for i in range(6)]
    pictures = []
    for index, output in enumerate(job["outputs"]):
        picture = Image.open(io.BytesIO(tenant.http.get(output["downloadUrl"]).content))
        assert picture.size == (output["width"], output["height"]) == SIZES[index % 3]
        assert picture.format == FORMATS[index % 3]
        shape = {"aspect": "source", "size": "base", "format": "png"} | OUTPUTS[index % 3]
        assert {name: output[name] for name in shape} == shape
        assert (
            max(Image.open(io.BytesIO(tenant.http.get(output["thumbnailUrl"]).content)).size) == 320
        )
        pictures.append(grey(picture))
    # The variations are not each other in another order.
    for output in range(3):
        assert np.abs(pictures[output] - pictures[output + 3]).mean() > 2
    assert tenant.counters() == {
        "charged": before["charged"] + 6,
        "reserved": before["reserved"],
        "ledger": before["ledger"] + 6,
    }

    large = [{"aspect": aspect, "size": "4k"} for aspect in ("1:1", "4:5")]
    slow = tenant.submitted(photo, outputs=large, variations=3)
    tenant.wait_for(slow, "processing")
    assert tenant.job(slow)["quota"]["reserved"] == 6
    assert tenant.cancel(slow).status_code == 200
    canceled = tenant.wait_for(slow)
    assert (canceled["status"], canceled["quota"]["charged"]) == ("canceled", False)
    assert tenant.counters()["charged"] == before["charged"] + 6
    assert tenant.counters()["reserved"] == before["reserved"]


def test_a_mode_that_does_not_say_so_is_told_apart_and_refuses_outputs(
    tenant: Tenant, small_photo: bytes
) -> None:
    modes = {mode["mode"]: mode for mode in tenant.request("GET", "/api/v1/modes").json()["data"]}
    assert (modes["style"]["maxOutputs"], modes["style"]["maxPictures"]) == (8, 24)
    assert modes["duotone"]["maxOutputs"] == 0
    refused = tenant.submit(small_photo, mode="duotone", outputs=OUTPUTS[1:])
    assert (refused.status_code, refused.json()["param"]) == (400, "outputs")


def test_a_job_made_by_hand_shows_its_outputs_and_is_charged_for_each(
    platform: PlatformUnderTest, bound: Tenant, source: str
) -> None:
    before = bound.counters()
    shapes = [{"aspect": "1:1", "format": "jpeg"}, {"aspect": "4:5"}]
    body = manifest("two-shapes", bound, source, mode="enhance", outputs=shapes)
    platform.kubectl("apply", "-f", "-", stdin=body)
    platform.kubectl("wait", "--for=condition=Complete", "gj/two-shapes", "--timeout=120s")
    made = resource(platform, "two-shapes")
    defaults = {"aspect": "source", "size": "base", "format": "png"}
    assert made["spec"]["outputs"] == [defaults | shape for shape in shapes]
    told = [(output["width"], output["height"]) for output in made["status"]["outputs"]]
    assert told == [(1024, 1024), (819, 1024)]
    assert bound.job(made["metadata"]["uid"])["quota"]["units"] == 2
    assert bound.counters()["charged"] == before["charged"] + 2
    assert bound.counters()["reserved"] == before["reserved"]
