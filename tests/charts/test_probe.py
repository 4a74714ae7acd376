"""The script of `helm test`: it downloads what clients would, and fails where they could not."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from tests.charts.rendering import MAIN

LINK = "/imagerift/out.png?X-Amz-Signature=secret"


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    return out.getvalue()


class Server(ThreadingHTTPServer):
    """An API whose job has succeeded, and a store of one picture."""

    public_url = ""
    stored = picture()
    signed_host = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        link = f"{self.server.public_url}{LINK}"
        job = {"jobId": "1", "status": "succeeded", "outputs": [{"downloadUrl": link}]}
        self._answer(200, json.dumps(job).encode())

    def do_GET(self) -> None:
        # A signature holds for the host that it names.
        right = self.path == LINK and self.headers["Host"] == self.server.signed_host
        self._answer(200 if right else 403, self.server.stored if right else b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        found.public_url = found.origin
        found.signed_host = f"127.0.0.1:{found.server_port}"
        yield found
        found.shutdown()


def probe(server: Server, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The script's run, with an `imagerift` beside it whose every answer will do."""
    command = folder / "imagerift"
    answer = {"workspaceId": "w", "keyId": "k", "token": "t"}
    script = f"""#!/bin/sh
if [ "$3" = list ]; then echo "[]"; else echo '{json.dumps(answer)}'; fi
"""
    command.write_text(script)
    command.chmod(0o755)
    variables = {
        **{"PATH": f"{folder}:{os.environ['PATH']}", "IMAGERIFT_API_URL": server.origin},
        **{"PROBE_MODE": "style", "PROBE_PROMPT": "a", "PROBE_PLAN": "p", "PROBE_SECONDS": "10"},
    }
    return subprocess.run(
        [sys.executable, MAIN / "files" / "probe.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=variables | more,
    )


def test_it_downloads_the_picture_from_the_public_address(server: Server, tmp_path: Path) -> None:
    done = probe(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "/imagerift/out.png: PNG 8x8" in done.stdout
    assert "secret" not in done.stdout


def test_behind_a_port_forward_it_asks_the_server_for_the_links_host(
    server: Server, tmp_path: Path
) -> None:
    server.public_url, server.signed_host = "http://127.0.0.1:1", "127.0.0.1:1"
    done = probe(server, tmp_path, PROBE_DOWNLOADS_FROM=server.origin)
    assert done.returncode == 0, done.stderr


def test_it_fails_where_clients_cannot_reach_the_public_address(
    server: Server, tmp_path: Path
) -> None:
    server.public_url = "http://127.0.0.1:1"
    done = probe(server, tmp_path)
    assert done.returncode != 0
    assert "cannot be reached" in done.stderr and "s3.publicUrl" in done.stderr
    assert "secret" not in done.stderr


def test_it_fails_where_the_address_leads_elsewhere(server: Server, tmp_path: Path) -> None:
    server.signed_host = "s3.example.com"
    done = probe(server, tmp_path)
    assert done.returncode != 0
    assert "answered 403" in done.stderr


def test_it_fails_where_there_is_no_picture(server: Server, tmp_path: Path) -> None:
    server.stored = b"<html>"
    done = probe(server, tmp_path)
    assert done.returncode != 0
    assert "holds no picture" in done.stderr
