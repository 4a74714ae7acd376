"""The `imagerift` command when something goes wrong: nothing is lost, and it says how to go on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.server_processes import free_port
from tests.unit.client.fake_api import JOB_ID, FakeApi, job
from tests.unit.client.test_cli import PIXELS, run, succeeded

PROMPT = ("--prompt", "p")
# What is started in the background inherits that Ctrl-C is ignored.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("imagerift.cli", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def full() -> Iterator[IO[bytes]]:
    """Somewhere to write to where there is no space."""
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has a file that is always full")
    with Path("/dev/full").open("wb") as file:
        yield file


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def start(server: FakeApi, *arguments: str, stdout: IO[bytes] | int) -> Any:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INTERRUPTIBLE, *arguments),
        env={**os.environ, "IMAGERIFT_API_URL": server.url, "IMAGERIFT_API_KEY": "ir_live_x"},
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.slow
async def test_ctrl_c_leaves_the_job_and_says_how_to_come_back(server: FakeApi, photo: str) -> None:
    server.will_answer(job(), 202, {"Retry-After": "50"})
    process = await start(
        server, "generate", photo, *PROMPT, "--wait", stdout=asyncio.subprocess.PIPE
    )
    assert await process.stderr.readline() == f"accepted as job {JOB_ID}\n".encode()
    assert await process.stderr.readline() == b"queued\n"

    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()

    assert process.returncode == 130
    assert f"job {JOB_ID} goes on" in said.decode()
    assert f"imagerift jobs wait {JOB_ID}" in said.decode()
    assert f"imagerift jobs cancel {JOB_ID}" in said.decode()
    assert "Traceback" not in said.decode()


@pytest.mark.slow
async def test_ctrl_c_before_the_answer_says_how_to_send_the_same_again(
    server: FakeApi, photo: str
) -> None:
    server.will_answer_never()
    process = await start(server, "generate", photo, *PROMPT, stdout=asyncio.subprocess.PIPE)
    await server.taken.wait()

    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()

    assert process.returncode == 130
    assert f"--idempotency-key {server.seen[0][2]['Idempotency-Key']}" in said.decode()


async def test_a_job_can_be_waited_for_and_saved_later(server: FakeApi, tmp_path: Path) -> None:
    server.will_answer(job("processing"), headers={"Retry-After": "0.01"})
    server.will_answer(succeeded(server))
    server.will_answer(PIXELS)
    server.will_answer(succeeded(server))
    server.will_answer(PIXELS)

    waited = await run(server, "jobs", "wait", JOB_ID, "-o", str(tmp_path / "a"))
    loaded = await run(server, "jobs", "download", JOB_ID, "-o", str(tmp_path / "b"))

    assert (waited.exit_code, loaded.exit_code) == (0, 0)
    for folder in ("a", "b"):
        [saved] = (tmp_path / folder).iterdir()
        assert (saved.name, saved.read_bytes()) == (f"{JOB_ID}-0.png", PIXELS)


async def test_a_job_without_pictures_is_not_downloaded(server: FakeApi, tmp_path: Path) -> None:
    server.will_answer(job("failed"))
    result = await run(server, "jobs", "download", JOB_ID, "-o", str(tmp_path))
    assert result.exit_code == 1
    assert "it is failed" in result.stderr


async def test_a_folder_that_cannot_be_made_is_found_before_anything_is_sent(
    server: FakeApi, photo: str
) -> None:
    folder = f"{photo}/pictures"
    result = await run(server, "generate", photo, *PROMPT, "--wait", "-o", folder)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {folder}: ")
    assert server.seen == []


async def test_a_picture_that_cannot_be_written_is_kept_by_the_server(
    server: FakeApi, photo: str, tmp_path: Path
) -> None:
    server.will_answer(succeeded(server), 202)
    server.will_answer(PIXELS)
    # Nothing can be put in the place of a folder that holds something.
    (tmp_path / f"{JOB_ID}-0.png" / "full").mkdir(parents=True)

    result = await run(server, "generate", photo, *PROMPT, "--wait", "-o", str(tmp_path))

    assert result.exit_code == 1
    assert f"imagerift jobs download {JOB_ID}" in result.stderr
    assert files_below(tmp_path) == [Path(photo)]


@pytest.mark.slow
async def test_on_a_full_disk_the_id_is_still_said(
    server: FakeApi, photo: str, full: IO[bytes]
) -> None:
    server.will_answer(job(), 202)
    process = await start(server, "generate", photo, *PROMPT, stdout=full)
    _, said = await process.communicate()

    assert process.returncode == 1
    assert "No space left on device" in said.decode()
    assert JOB_ID in said.decode()
    assert "Traceback" not in said.decode() and "Exception" not in said.decode()


@pytest.mark.slow
async def test_a_list_on_a_full_disk_is_an_error_without_a_traceback(
    server: FakeApi, full: IO[bytes]
) -> None:
    server.will_answer({"data": [job()], "nextCursor": None})
    process = await start(server, "jobs", "list", stdout=full)
    _, said = await process.communicate()
    assert (process.returncode, said) == (1, b"error: No space left on device\n")


def other_id(answer: dict[str, Any]) -> None:
    answer["jobId"] = "../../pwned"


def other_index(answer: dict[str, Any]) -> None:
    answer["outputs"][0]["index"] = "/../../../pwned"


@pytest.mark.parametrize("tamper", [other_id, other_index])
async def test_no_answer_names_a_file_outside_the_folder(
    server: FakeApi, photo: str, tmp_path: Path, tamper: Callable[[dict[str, Any]], None]
) -> None:
    hostile: dict[str, Any] = succeeded(server)
    tamper(hostile)
    server.will_answer(hostile, 202)
    server.will_answer(PIXELS)
    folder = tmp_path / "a" / "b" / "out"

    result = await run(server, "generate", photo, *PROMPT, "--wait", "-o", str(folder))

    assert result.exit_code == 1
    assert files_below(tmp_path) == [Path(photo)]


@pytest.mark.parametrize("url", ["not-a-url/", "ftp://example.org", "http://", "http://[::"])
async def test_an_address_that_is_none_is_named(server: FakeApi, url: str) -> None:
    result = await run(server, "jobs", "list", "--url", url)
    assert result.exit_code == 2
    assert url in result.stderr
    assert "is not a URL" in result.stderr


async def test_a_server_that_is_no_imagerift_is_called_so(server: FakeApi) -> None:
    server.will_answer(b"<Error><Code>AccessDenied</Code></Error>", 403)
    result = await run(server, "jobs", "list")
    assert result.exit_code == 1
    assert "not as an ImageRift API does" in result.stderr
    assert server.url in result.stderr


async def test_an_address_where_nobody_listens_is_told_at_once(server: FakeApi) -> None:
    result = await run(server, "jobs", "list", "--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "does not answer" in result.stderr


async def test_a_key_loses_its_newline_and_one_that_is_none_is_refused(server: FakeApi) -> None:
    server.will_answer({"data": [], "nextCursor": None})
    assert (await run(server, "jobs", "list", key="ir_live_x\n")).exit_code == 0
    assert server.seen[0][2]["Authorization"] == "Bearer ir_live_x"
    for wrong in ("ir live", "“ir_live_x”", "ir_live\x1b"):
        result = await run(server, "jobs", "list", key=wrong)
        assert result.exit_code == 2
        assert "IMAGERIFT_API_KEY" in result.stderr
        assert wrong not in result.stderr
    assert len(server.seen) == 1


async def test_a_refusal_cannot_steer_the_terminal(server: FakeApi) -> None:
    server.will_answer({"code": "x", "detail": "no\x1b]0;owned\x07"}, 400)
    result = await run(server, "jobs", "list")
    assert "\x1b" not in result.stderr and "\x07" not in result.stderr
