"""What an option of the command may be: said, completed, and as the API has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from imagerift import choices
from imagerift_contract.cutouts import CutoutAlign, CutoutShadow
from imagerift_contract.values import ExportSize, OnUnclearSubject, OutputAspect, OutputFormat
from imagerift_core.jobs import Status
from imagerift_core.modes import load_modes

from tests.unit.client.fake_api import FakeApi
from tests.unit.client.test_cli import run


async def test_what_an_option_may_be_is_said_without_asking_the_server(
    server: FakeApi, photo: str
) -> None:
    for option, wrong in (("--size", "8k"), ("--aspect", "2:1"), ("--format", "gif")):
        result = await run(server, "generate", photo, "--prompt", "p", option, wrong)
        assert result.exit_code == 2
        assert option in result.stderr
    assert (await run(server, "jobs", "list", "--status", "nonsense")).exit_code == 2
    assert (await run(server, "jobs", "get", "no-id")).exit_code == 2
    assert server.seen == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("generate a.jpg --size ", ["base", "2k", "4k"]),
        ("generate a.jpg --mode ", list(load_modes())),
        ("generate a.jpg --preset go", ["golden_hour"]),
        ("generate a.jpg --mode avatar --preset ", ["anime", "cartoon3d", "oilpaint"]),
        ("jobs list --status s", ["succeeded"]),
    ],
)
@pytest.mark.slow
def test_a_shell_completes_them(typed: str, offered: list[str]) -> None:
    words = ["imagerift", *typed.split(" ")]
    environment = {
        **os.environ,
        "_IMAGERIFT_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [str(Path(sys.executable).with_name("imagerift"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == offered, done.stderr


def test_the_choices_are_those_of_the_api() -> None:
    assert get_args(choices.Size) == get_args(ExportSize)
    assert get_args(choices.Aspect) == get_args(OutputAspect)
    assert get_args(choices.Format) == get_args(OutputFormat)
    assert get_args(choices.OnUnclearSubject) == get_args(OnUnclearSubject)
    assert get_args(choices.CutoutShadow) == get_args(CutoutShadow)
    assert get_args(choices.CutoutAlign) == get_args(CutoutAlign)
    assert set(get_args(choices.JobStatus)) == set(Status)
    shipped = {name: tuple(mode.presets) for name, mode in load_modes().items()}
    assert shipped == choices.SHIPPED_PRESETS
