"""The demo calls that are printed: what bash makes of them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

from imagerift_local.demo import (
    DemoAccount,
    describe_commands,
    describe_demo,
    load_demo,
)
from imagerift_local.settings import DEFAULT_DATA_DIR

from tests.bare.walk import printed_calls

API = "http://127.0.0.1:8080"
ACCOUNTS = {
    "business": DemoAccount("business", "ws_b", "ir_live_b"),
    "pro": DemoAccount("pro", "ws_p", "ir_live_p"),
}
PASSWORD = "a password"
FAKE_CURL = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done > "$CURL_ARGUMENTS"
cat > "$CURL_BODY"
"""


def paste(call: str, folder: Path) -> tuple[list[str], str]:
    """Runs a printed call in bash with a curl that notes its arguments and its input."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "curl").write_text(FAKE_CURL)
    (tools / "curl").chmod(0o755)
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "CURL_ARGUMENTS": str(folder / "arguments"),
        "CURL_BODY": str(folder / "body"),
    }
    subprocess.run(["bash", "-c", call], env=environment, stdin=subprocess.DEVNULL, check=True)
    return (folder / "arguments").read_text().splitlines(), (folder / "body").read_text()


def calls(sample: Path) -> list[str]:
    """The two calls as they are printed."""
    printed = describe_demo(ACCOUNTS, PASSWORD, API, sample)
    return list(printed_calls(f"{printed}\nImageRift is ready\n"))


def test_the_first_call_sends_the_whole_photo_however_large(tmp_path: Path) -> None:
    # Longer than any argument may be.
    photo = os.urandom(3_000_000)
    sample = tmp_path / "a photo.jpg"
    sample.write_bytes(photo)
    arguments, body = paste(calls(sample)[0], tmp_path)
    sent = json.loads(body)
    assert base64.b64decode(sent.pop("imageBase64")) == photo
    assert sent == {
        "mode": "style",
        "prompt": "cinematic product photo on a clean studio background",
        "exportSize": "base",
        "outputAspect": "source",
    }
    assert arguments == [
        "-X",
        "POST",
        f"{API}/api/v1/generate",
        "-H",
        "Authorization: Bearer ir_live_b",
        "-H",
        "Content-Type: application/json",
        "-d",
        "@-",
    ]


def test_the_second_call_reads_a_job(tmp_path: Path) -> None:
    arguments, _ = paste(calls(tmp_path)[1], tmp_path)
    assert arguments == [
        "-X",
        "GET",
        f"{API}/api/v1/jobs/JOB_ID",
        "-H",
        "Authorization: Bearer ir_live_b",
    ]


def test_both_keys_and_where_to_sign_in_are_described(tmp_path: Path) -> None:
    text = describe_demo(ACCOUNTS, PASSWORD, API, tmp_path / "sample.jpg")
    for part in ("ws_b", "ir_live_b", "ws_p", "ir_live_p", f"{API}/account", PASSWORD):
        assert part in text


def test_the_printed_commands_name_a_data_folder_that_was_chosen(tmp_path: Path) -> None:
    usual = describe_commands(DEFAULT_DATA_DIR)
    assert "imagerift-platform env)" in usual and "--data-dir" not in usual
    chosen = tmp_path / "a folder"
    assert describe_commands(chosen).count(f"--data-dir '{chosen}'") == 2


def test_a_missing_or_damaged_demo_file_means_no_accounts(tmp_path: Path) -> None:
    assert load_demo(tmp_path / "demo.json") == {}
    (tmp_path / "demo.json").write_text('{"pro": {"unknown": 1}}')
    assert load_demo(tmp_path / "demo.json") == {}
