"""What the status of weights says of their Job, and how far a download is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
import pytest
from imagerift_core.kube_weights import DownloadSeen
from imagerift_core.kube_workloads import Trouble
from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.weights_download.progress_port import told_at
from imagerift_core.weights_download.report import Downloaded, Progress
from imagerift_operator.weights_progress import ProgressAsker
from imagerift_operator.weights_status import Found, conditions, found_in, share, size, status

from tests.unit.operator.weights_bodies import SPEC

SEEN = DownloadSeen("sdxl-1", False, None, False, None, None, None)
GOOD = Downloaded(digest="sha256:1", bytes=6_900_000_000, files=3, licence="MIT", revision="abc")
BAD = Downloaded(error="ChecksumMismatch", message="a.onnx has another checksum.")
AWAY = Downloaded(error="Unavailable", message="host answered 503.", again=True)
AT = datetime(2026, 11, 1, tzinfo=UTC)


def found(**more: object) -> Found:
    return found_in(replace(SEEN, **more))  # type: ignore[arg-type]


def standing(of: Found) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in conditions(of)}


@pytest.mark.parametrize(
    ("seen", "reason", "waits"),
    [
        ({}, "Pending", True),
        ({"address": "10.0.0.1"}, "Downloading", True),
        ({"trouble": Trouble("ImagePullBackOff", "no such image")}, "ImagePullBackOff", False),
        ({"failed_at": AT}, "Lost", True),
        ({"failed_at": AT, "report": "no JSON"}, "Lost", True),
        ({"failed_at": AT, "report": BAD.model_dump_json()}, "ChecksumMismatch", False),
        ({"succeeded": True, "report": GOOD.model_dump_json()}, "Downloaded", False),
        # A pod that has ended before its Job has heard of it.
        ({"report": GOOD.model_dump_json()}, "Downloading", True),
    ],
)
def test_a_job_is_read(seen: dict[str, object], reason: str, *, waits: bool) -> None:
    read = found(**seen)
    assert (read.reason, read.waits) == (reason, waits)
    assert (read.report is not None) is (reason == "Downloaded")


def test_conditions_say_how_far_it_is() -> None:
    good = found(succeeded=True, report=GOOD.model_dump_json())
    assert standing(good) == {
        "Downloaded": ("True", "Downloaded"),
        "Verified": ("True", "Downloaded"),
        "Ready": ("True", "Ready"),
    }
    bad = found(failed_at=AT, report=BAD.model_dump_json())
    assert standing(bad) == {
        "Downloaded": ("False", "ChecksumMismatch"),
        "Verified": ("False", "ChecksumMismatch"),
        "Ready": ("False", "ChecksumMismatch"),
    }
    runs = found(address="10.0.0.1")
    assert standing(runs)["Verified"] == ("Unknown", "Downloading")


def test_what_may_end_otherwise_is_said_to_be_tried_again() -> None:
    away = found(failed_at=AT, report=AWAY.model_dump_json())
    assert away.words == "host answered 503. It is tried again after a while."
    assert found(failed_at=AT, report=BAD.model_dump_json()).words == BAD.message


def test_columns_have_size_digest_and_licence() -> None:
    spec = ModelWeightsSpec.model_validate(SPEC)
    good = found(succeeded=True, report=GOOD.model_dump_json())
    assert status(spec, 2, good, ["l4"]) == {
        "observedGeneration": 2,
        "pools": ["l4"],
        "progress": "100%",
        "size": "6.9 GB",
        "bytes": 6_900_000_000,
        "files": 3,
        "digest": "sha256:1",
        "licence": "MIT",
        "revision": "abc",
        "fingerprint": spec.fingerprint,
    }
    assert status(spec, 2, found(), []) == {"observedGeneration": 2, "pools": []}


def test_sizes_and_shares_are_for_people() -> None:
    assert [size(n) for n in (0, 999, 1000, 5 * 10**12)] == ["0 B", "999 B", "1.0 kB", "5.0 TB"]
    # It is all there only once it is verified too.
    assert share(Progress(done=10, total=10)) == "99%"
    assert share(Progress(done=41, total=100)) == "41%"
    assert share(Progress(done=41_000)) == "41.0 kB"


async def test_a_pod_is_asked_at_its_port_and_may_say_nothing() -> None:
    told = Progress(done=7, total=9)
    async with aiohttp.ClientSession() as http:
        with told_at("127.0.0.1", 0, lambda: told) as port:
            assert await ProgressAsker(http, port)("127.0.0.1") == told
        assert await ProgressAsker(http, port)("127.0.0.1") is None
