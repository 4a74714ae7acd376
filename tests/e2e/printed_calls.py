"""The calls and the answer as the public page prints them, with places for what differs."""

from __future__ import annotations

import subprocess
from pathlib import Path

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
POLL_ANY = r"""
curl -sS -o /dev/null -w " %{{http_code}}" {host}/api/v1/jobs -H "Authorization: Bearer {key}"
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
        ["bash", str(folder / "call.sh")], capture_output=True, text=True, check=True, timeout=200
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
