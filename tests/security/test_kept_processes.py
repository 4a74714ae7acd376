"""A process that reads a workspace's pictures stays a while for its next ones."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from imagerift_core.errors import ImageUnreadable
from imagerift_core.picture_inspection import PictureInspections

from tests.security.test_picture_bombs import until
from tests.support import hostile_decoder
from tests.support.hostile_decoder import CRASH, SOUND, TIRING, running

LONG, SHORT = 60.0, 0.2


@pytest.fixture
async def inspections(request: pytest.FixtureRequest) -> AsyncIterator[PictureInspections]:
    inspections = PictureInspections(
        f"{hostile_decoder.__name__}:work", cpu_seconds=1, kept_seconds=request.param
    )
    yield inspections
    await inspections.close()


async def read(inspections: PictureInspections, data: bytes, workspace: str = "ws_a") -> None:
    await inspections.inspect(data, param="x", workspace=workspace)


@pytest.mark.parametrize("inspections", [LONG], indirect=True)
async def test_it_reads_the_next_pictures_of_that_workspace_and_none_of_another(
    inspections: PictureInspections,
) -> None:
    await read(inspections, SOUND, "ws_a")
    first = running()
    assert len(first) == 1
    await read(inspections, SOUND, "ws_a")
    assert running() == first
    await read(inspections, SOUND, "ws_b")
    assert len(running()) == 2
    await read(inspections, SOUND, "ws_a")
    assert len(running()) == 2


@pytest.mark.parametrize("inspections", [LONG], indirect=True)
async def test_what_a_process_took_before_is_not_held_against_the_next_picture(
    inspections: PictureInspections,
) -> None:
    for _ in range(2):
        # Together they take more than one may.
        await read(inspections, TIRING)


@pytest.mark.parametrize("inspections", [LONG], indirect=True)
async def test_a_picture_that_breaks_it_is_refused_alone(inspections: PictureInspections) -> None:
    await read(inspections, SOUND)
    with pytest.raises(ImageUnreadable, match="more time or memory"):
        await read(inspections, CRASH)
    await read(inspections, SOUND)


@pytest.mark.parametrize("inspections", [LONG], indirect=True)
async def test_few_are_kept_at_once(inspections: PictureInspections) -> None:
    for number in range(10):
        await read(inspections, SOUND, f"ws_{number}")
    await until(lambda: len(running()) <= 4)


@pytest.mark.parametrize("inspections", [SHORT], indirect=True)
async def test_one_goes_when_its_time_is_over(inspections: PictureInspections) -> None:
    await read(inspections, SOUND)
    await until(lambda: not running())
