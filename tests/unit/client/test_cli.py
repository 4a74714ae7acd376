"""The `imagerift` command: what it prints where, and how it exits."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
from imagerift import choices
from imagerift.cli import app
from imagerift_contract.values import OutputFormat
from typer.testing import CliRunner, Result

from tests.unit.client.fake_api import JOB_ID, FakeApi, job

PIXELS = b"pixels"


async def run(server: FakeApi, *arguments: str, key: str = "ir_live_x") -> Result:
    runner = CliRunner(env={"IMAGERIFT_API_URL": server.url, "IMAGERIFT_API_KEY": key})
    return await asyncio.to_thread(runner.invoke, app, list(arguments))


def succeeded(server: FakeApi) -> dict[str, object]:
    output = {
        "index": 0,
        "generationId": "g",
        "seed": 1,
        "width": 2,
        "height": 2,
        "contentType": "image/png",
        "sizeBytes": len(PIXELS),
        "sha256": hashlib.sha256(PIXELS).hexdigest(),
        "downloadUrl": f"{server.url}/bucket/key",
    }
    return job("succeeded", outputs=[output], downloadUrl=output["downloadUrl"])


async def test_generate_sends_every_option(server: FakeApi, photo: str, tmp_path: Path) -> None:
    server.will_answer(job(), 202)
    mask = tmp_path / "mask.png"
    mask.write_bytes(b"matte")

    result = await run(
        server,
        *("generate", photo, "--prompt", "p", "--preset", "noir", "--variations", "2"),
        *("--seed", "3", "--aspect", "1:1", "--format", "webp", "--size", "base", "--json"),
        *("--on-unclear-subject", "fail", "--mask", str(mask)),
        *("--negative-prompt", "text", "--relight-subject"),
        *("--reference-key", "img_1", "--reference-key", "img_2"),
    )

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["jobId"] == JOB_ID
    body = server.seen[0][3]
    del body["imageBase64"]
    assert body == {
        "mode": "style",
        "prompt": "p",
        "preset": "noir",
        "variations": 2,
        "seed": 3,
        "outputAspect": "1:1",
        "outputFormat": "webp",
        "exportSize": "base",
        "onUnclearSubject": "fail",
        "negativePrompt": "text",
        "keepSubject": False,
        "referenceKeys": ["img_1", "img_2"],
        "maskBase64": base64.b64encode(b"matte").decode(),
    }


async def test_a_cutout_is_a_generate_of_that_mode(server: FakeApi, photo: str) -> None:
    options = (
        *("--background", "#ffffff", "--padding", "0.1", "--fill", "0.85", "--align", "top-left"),
        *("--shadow", "drop", "--width", "800", "--height", "600", "--format", "avif"),
    )
    bodies = []
    for command in (["cutout", photo], ["generate", photo, "--mode", "cutout"]):
        server.will_answer(job(), 202)
        result = await run(server, *command, "--preset", "marketplace", *options)
        assert result.exit_code == 0, result.output
        bodies.append(server.seen[-1][3])

    assert bodies[0] == bodies[1]
    assert bodies[0]["cutout"] == {
        "background": "#ffffff",
        "padding": 0.1,
        "fill": 0.85,
        "align": "top-left",
        "shadow": "drop",
        "width": 800,
        "height": 600,
    }


async def test_outputs_are_sent_in_their_order_with_what_was_said_of_each(
    server: FakeApi, photo: str
) -> None:
    server.will_answer(job(), 202)
    shapes = ("--as", "1:1,2k,jpeg", "--as", "webp,9:16", "--as", "source")
    result = await run(server, "generate", photo, "--prompt", "p", *shapes)
    assert result.exit_code == 0, result.output
    assert server.seen[0][3]["outputs"] == [
        {"aspect": "1:1", "size": "2k", "format": "jpeg"},
        {"aspect": "9:16", "format": "webp"},
        {"aspect": "source"},
    ]


@pytest.mark.parametrize("wrong", ["1:1,8k", "1:1,4:5", "", "png,"])
async def test_an_output_that_is_none_is_wrong_usage(
    server: FakeApi, photo: str, wrong: str
) -> None:
    result = await run(server, "generate", photo, "--prompt", "p", "--as", wrong)
    assert (result.exit_code, server.seen) == (2, [])
    assert "--as" in result.stderr


def test_an_output_is_completed_part_by_part() -> None:
    assert choices.outputs("9") == ["9:16"]
    assert choices.outputs("1:1,") == ["1:1,base", "1:1,2k", "1:1,4k"] + [
        f"1:1,{word}" for word in get_args(OutputFormat)
    ]
    assert choices.outputs("2k,webp,4") == ["2k,webp,4:5", "2k,webp,4:3"]


async def test_a_plain_cutout_sends_no_options(server: FakeApi, photo: str) -> None:
    server.will_answer(job(), 202)
    assert (await run(server, "cutout", photo, "--even-if-unclear")).exit_code == 0
    body = server.seen[0][3]
    del body["imageBase64"]
    assert body == {"mode": "cutout", "onUnclearSubject": "cut"}


async def test_wait_saves_the_pictures(server: FakeApi, photo: str, tmp_path: Path) -> None:
    queue = {"position": 3, "etaSeconds": 9.6, "reason": "waiting_for_turn"}
    server.will_answer(job(queue=queue), 202, {"Retry-After": "0"})
    server.will_answer(job("processing"), headers={"Retry-After": "0.01"})
    server.will_answer(succeeded(server))
    server.will_answer(PIXELS)
    folder = tmp_path / "out"

    result = await run(server, "generate", photo, "--prompt", "p", "--wait", "-o", str(folder))

    assert result.exit_code == 0, result.output
    saved = folder / f"{JOB_ID}-0.png"
    assert saved.read_bytes() == PIXELS
    assert str(saved) in result.stdout
    said = result.stderr.splitlines()
    assert said == [
        f"accepted as job {JOB_ID}",
        "queued, place 3, about 10 s, waiting for its turn",
        "processing",
        "succeeded",
    ]


async def test_wait_says_how_far_the_job_is(server: FakeApi, photo: str) -> None:
    told: dict[str, Any] = {"variation": 0, "variations": 1, "share": 0.0}
    at: list[dict[str, Any]] = [
        {"stage": "waiting", "etaSeconds": None},
        {"stage": "model", "step": 12, "steps": 30, "variations": 4, "variation": 1}
        | {"etaSeconds": 8.5, "share": 0.4},
        {"stage": "polishing", "etaSeconds": None},
    ]
    server.will_answer(job(), 202, {"Retry-After": "0.01"})
    for one in at:
        server.will_answer(job("processing", progress=told | one), 200, {"Retry-After": "0.01"})
    server.will_answer(succeeded(server) | {"progress": None})
    result = await run(server, "generate", photo, "--prompt", "p", "--wait")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[1:] == [
        "queued",
        "processing, waiting for the model",
        "processing, step 12 of 30, variation 2 of 4, about 8 s left",
        "processing, polishing",
        "succeeded",
    ]


async def test_wait_says_once_of_each_picture_that_is_finished_before_the_job(
    server: FakeApi, photo: str
) -> None:
    early: list[dict[str, Any]] = [
        {
            "index": index,
            "variation": index,
            "seed": 40 + index,
            "thumbnailUrl": f"{JOB_ID}/{index}",
        }
        for index in range(2)
    ]
    server.will_answer(job(), 202, {"Retry-After": "0.01"})
    for shown in (early[:1], early[:1], early):
        running = job("processing", partialOutputs=shown)
        server.will_answer(running, 200, {"Retry-After": "0.01"})
    server.will_answer(succeeded(server))
    result = await run(server, "generate", photo, "--prompt", "p", "--wait")
    assert result.exit_code == 0
    assert [line for line in result.stderr.splitlines() if "finished" in line] == [
        f"picture 1 (seed 40) is finished: {JOB_ID}/0",
        f"picture 2 (seed 41) is finished: {JOB_ID}/1",
    ]


async def test_it_says_what_was_understood_of_the_prompt(server: FakeApi, photo: str) -> None:
    read = {
        "preset": "studio",
        "why": "background",
        "applied": [{"part": "background", "value": "#0000ff", "words": "blue background"}],
        "ignored": [{"words": "green wall", "reason": "conflict"}],
    }
    server.will_answer(succeeded(server) | {"analysis": {"promptRead": read}})

    result = await run(server, "generate", photo, "--prompt", "p", "--wait")

    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[-3:] == [
        "preset studio (background)",
        "applied: background #0000ff (blue background)",
        "without effect: green wall (other words went before)",
    ]
    assert "applied" not in result.stdout


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (
            {"treatment": "graded", "reason": "doubt", "confidence": 0.3},
            ["subject not cut out: its cut-out is in doubt; the whole picture was graded"],
        ),
        ({"treatment": "cut_out", "reason": "sure", "confidence": 0.9}, []),
    ],
)
async def test_it_says_where_the_subject_was_not_cut_out(
    server: FakeApi, photo: str, subject: dict[str, object], said: list[str]
) -> None:
    server.will_answer(succeeded(server) | {"analysis": {"subject": subject}})

    result = await run(server, "generate", photo, "--prompt", "p", "--wait")

    assert result.exit_code == 0, result.output
    assert [line for line in result.stderr.splitlines() if "subject" in line] == said


async def test_a_failed_job_exits_with_3(server: FakeApi, photo: str) -> None:
    error = {"code": "model_error", "message": "the model failed"}
    server.will_answer(job("failed", error=error), 202)

    result = await run(server, "generate", photo, "--prompt", "p", "--wait")

    assert result.exit_code == 3
    assert "the model failed [model_error]" in result.stderr


async def test_a_refusal_is_told_on_standard_error(server: FakeApi, photo: str) -> None:
    problem = {
        "code": "invalid_request",
        "detail": "seed: too large. And 1 more, listed in errors.",
        "requestId": "req_1",
        "errors": [
            {"param": "seed", "message": "too large"},
            {"param": "prompt", "message": "too long"},
        ],
    }
    server.will_answer(problem, 400)

    result = await run(server, "generate", photo, "--prompt", "p", "--json")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "[invalid_request]" in result.stderr
    assert "prompt: too long" in result.stderr
    assert "req_1" in result.stderr


async def test_without_a_key_it_says_what_to_set(server: FakeApi) -> None:
    result = await run(server, "jobs", "list", key="")

    assert result.exit_code == 2
    assert "IMAGERIFT_API_KEY" in result.stderr
    assert server.seen == []


async def test_jobs_can_be_listed_shown_and_canceled(server: FakeApi) -> None:
    server.will_answer({"data": [job()], "nextCursor": "abc"})
    server.will_answer(job("processing"))
    server.will_answer(job("canceled"))

    listed = await run(server, "jobs", "list")
    shown = await run(server, "jobs", "get", JOB_ID)
    canceled = await run(server, "jobs", "cancel", JOB_ID, "--json")

    assert JOB_ID in listed.stdout
    assert "--cursor abc" in listed.stderr
    assert "processing" in shown.stdout
    assert json.loads(canceled.stdout)["status"] == "canceled"
    assert server.seen[2][:2] == ("POST", f"/api/v1/jobs/{JOB_ID}/cancel")


async def test_a_list_shows_what_each_job_was_and_nothing_that_steers_a_terminal(
    server: FakeApi,
) -> None:
    long = job(mode="style", prompt="a \x1b[31mred\nmug " + "x" * 50)
    server.will_answer({"data": [long], "nextCursor": None})

    listed = await run(server, "jobs", "list")

    words = "a ?[31mred mug " + "x" * 24 + "…"
    assert listed.stdout == f"{JOB_ID}  queued      2026-11-22T12:00:00Z  style     {words}\n"


async def test_jobs_alone_lists_them(server: FakeApi) -> None:
    server.will_answer({"data": [job()], "nextCursor": None})

    listed = await run(server, "jobs")

    assert listed.exit_code == 0
    assert JOB_ID in listed.stdout


@pytest.mark.parametrize(
    ("filters", "said"), [((), "no jobs"), (("--mode", "style"), "no such jobs")]
)
async def test_an_empty_list_says_so(server: FakeApi, filters: tuple[str, ...], said: str) -> None:
    server.will_answer({"data": [], "nextCursor": None})
    listed = await run(server, "jobs", "list", *filters)
    assert (listed.stdout, listed.stderr) == ("", said + "\n")


async def test_it_tells_its_version(server: FakeApi) -> None:
    assert (await run(server, "--version")).stdout == f"imagerift {version('imagerift')}\n"


async def test_other_packages_add_commands(server: FakeApi) -> None:
    result = await run(server, "admin", "--help")

    assert "audit" in result.stdout and "store" in result.stdout
    assert (await run(server, "admin", "store", "drill", "--help")).exit_code == 0
    assert (await run(server, "nothing")).exit_code == 2
