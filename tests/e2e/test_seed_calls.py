"""The calls of the public developer page, run in real curl: only host, key, id and image differ."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.tenant import Tenant
from tests.platform_under_test import wait_until

GENERATE = r"""
curl -sS -X POST {host}/api/v1/generate \
  -H "Authorization: Bearer {key}" \
  -H "Content-Type: application/json" \
  -d @- <<BODY
{{
    "mode": "style",
    "imageBase64": "{image}",
    "prompt": "cinematic product photo on a clean studio background",
    "exportSize": "base",
    "outputAspect": "source"
  }}
BODY
"""
POLL = r"""
curl -sS -X GET {host}/api/v1/jobs/{job} \
  -H "Authorization: Bearer {key}"
"""
SAMPLE_ANSWER = {
    "jobId": str,
    "status": str,
    "statusUrl": str,
    "requestId": str,
    "quota": {
        "source": str,
        "scope": str,
        "remaining": int,
        "charged": bool,
        "remainingAfterQueue": int,
        "chargedOnSuccess": bool,
    },
    "rateLimit": {"remainingThisMinute": int},
}


def shell(script: str, folder: Path) -> str:
    (folder / "call.sh").write_text(script)
    done = subprocess.run(
        ["bash", str(folder / "call.sh")], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def types_of(sample: object, answer: object, path: str = "") -> None:
    if isinstance(sample, dict):
        assert isinstance(answer, dict), path
        for key, wanted in sample.items():
            assert key in answer, f"{path}.{key}"
            types_of(wanted, answer[key], f"{path}.{key}")
    else:
        assert type(answer) is sample, path


def test_the_two_printed_calls_turn_a_photo_into_a_styled_picture(
    make_tenant: object, tmp_path: Path, photo: bytes
) -> None:
    tenant: Tenant = make_tenant("business")  # type: ignore[operator]
    values = {"host": tenant.platform.api_url, "key": tenant.token}
    image = base64.b64encode(photo).decode()
    queued = json.loads(shell(GENERATE.format(image=image, **values), tmp_path))

    types_of(SAMPLE_ANSWER, queued)
    assert queued["status"] == "queued"
    assert queued["statusUrl"] == f"/api/v1/jobs/{queued['jobId']}"
    assert queued["requestId"].startswith("req_")
    assert queued["quota"]["source"] == "plan"
    assert queued["quota"]["scope"] == "team"
    assert queued["quota"]["remaining"] == queued["quota"]["remainingAfterQueue"] == 3000
    assert (queued["quota"]["charged"], queued["quota"]["chargedOnSuccess"]) == (False, True)
    assert queued["rateLimit"] == {"remainingThisMinute": 119}

    def done() -> dict[str, object] | None:
        polled = json.loads(shell(POLL.format(job=queued["jobId"], **values), tmp_path))
        types_of(SAMPLE_ANSWER, polled)
        return polled if polled["status"] in {"succeeded", "failed", "canceled"} else None

    job = wait_until(done, seconds=60, what="the job is over")
    assert job["status"] == "succeeded", job["error"]
    assert job["quota"]["charged"] is True
    assert job["quota"]["remaining"] == 2999
    stages = job["metrics"]["stages"]
    assert all(value is not None and value >= 0 for value in stages.values()), stages
    assert 0 < stages["modelMs"] < sum(stages.values()) <= job["metrics"]["executionMs"]
    picture = subprocess.run(
        ["curl", "-sS", job["downloadUrl"]], capture_output=True, check=True, timeout=30
    ).stdout
    source, made = Image.open(io.BytesIO(photo)), Image.open(io.BytesIO(picture))
    assert made.format == "PNG"
    assert max(made.size) == 1024
    assert f'imagerift:seed="{job["seed"]}"' in made.info["XML:com.adobe.xmp"]
    assert f'imagerift:preset="{job["preset"]}"' in made.info["XML:com.adobe.xmp"]
    assert made.width / made.height == pytest.approx(source.width / source.height, rel=0.01)
    before = np.asarray(source.convert("RGB").resize((64, 64)), float)
    after = np.asarray(made.convert("RGB").resize((64, 64)), float)
    assert np.abs(before - after).mean() > 10

    assert job["thumbnailUrl"] == job["outputs"][0]["thumbnailUrl"]
    answer = tenant.http.get(job["thumbnailUrl"])
    assert answer.headers["content-type"] == "image/webp"
    assert max(Image.open(io.BytesIO(answer.content)).size) == 320
    assert tenant.request("DELETE", f"/api/v1/jobs/{job['jobId']}").status_code == 204
    assert tenant.http.get(job["thumbnailUrl"]).status_code == 404
    assert tenant.http.get(job["downloadUrl"]).status_code == 404


def test_a_download_link_is_short_lived_and_useless_without_its_signature(
    tenant: Tenant, small_photo: bytes
) -> None:
    job = tenant.wait_for(tenant.submitted(small_photo, mode="noop"))
    url = job["downloadUrl"]
    assert "X-Amz-Expires=600" in url
    assert tenant.http.get(url).status_code == 200
    assert tenant.http.get(url.split("?")[0]).status_code == 403
    assert tenant.http.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
