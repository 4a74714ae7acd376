"""Pictures that are made to cost: refused before they are decoded, or decoded within a bound."""

from __future__ import annotations

import asyncio
import io
import os
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from imagerift_core.errors import DomainError, ImageUnreadable
from imagerift_core.images import MAX_IMAGE_BYTES, InspectedImage, inspect_image
from imagerift_core.picture_inspection import PictureInspections
from PIL import Image

from tests.support import hostile_decoder
from tests.support.pictures import picture

# Of one core, on the slowest machine that anybody would use.
CPU_SECONDS = 5.0
START_OF_SCAN = b"\xff\xda"
END = b"\xff\xd9"


def blocks(width: int, height: int) -> Image.Image:
    """Squares of 64 pixels: quick to make, and something in every block's first coefficient.

    Where both sizes are multiples of 64 there is nothing in the others, and a scan is short.
    """
    small = np.random.default_rng(0).integers(0, 255, (-(-height // 64), -(-width // 64)))
    return Image.fromarray(np.uint8(small)).resize((width, height), Image.Resampling.NEAREST)


def progressive(width: int, height: int, mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    blocks(width, height).convert(mode).save(buffer, "JPEG", progressive=True)
    return buffer.getvalue()


def last_scan(data: bytes) -> bytes:
    return data[data.rindex(START_OF_SCAN) : -2]


def with_scans(data: bytes, scan: bytes, times: int) -> bytes:
    return data[:-2] + scan * times + END


def many_scans() -> bytes:
    """Each of 75 bytes costs a reader 774,400 blocks."""
    data = progressive(7040, 7040)
    return with_scans(data, last_scan(data), 90)


def behind_garbage() -> bytes:
    """Readers skip what stands between segments; so must whoever counts."""
    data = progressive(7040, 7040)
    return with_scans(data, b"\x00garbage\xff\x00" + last_scan(data), 90)


def endless_scans() -> bytes:
    """Of a small picture, to the largest file that is taken."""
    data = progressive(64, 64)
    scan = last_scan(data)
    return with_scans(data, scan, (20 * 1024 * 1024 - len(data)) // len(scan))


def four_components() -> bytes:
    """A reader keeps 385 MiB of coefficients."""
    return progressive(7070, 7070, "CMYK")


def fills() -> bytes:
    """Markers may be preceded by any number of 0xFF."""
    data = progressive(64, 64)
    return data[:-2] + b"\xff" * (20 * 1024 * 1024 - len(data)) + END


BOMBS: list[Callable[[], bytes]] = [
    many_scans,
    behind_garbage,
    endless_scans,
    four_components,
    fills,
]
# By the walk of the container, before a decoder is asked.
REFUSED = {
    "many_scans": "more scans than any encoder writes",
    "behind_garbage": "more scans than any encoder writes",
    "endless_scans": "more scans than any encoder writes",
    "four_components": "too large for one of several scans",
}


def measured(work: Callable[[], object]) -> tuple[object, float]:
    """What `work` gives or raises, and the CPU seconds that this thread took for it."""
    before = resource.getrusage(resource.RUSAGE_THREAD)
    try:
        result: object = work()
    except DomainError as error:
        result = error
    after = resource.getrusage(resource.RUSAGE_THREAD)
    return result, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_bomb_costs_no_more_than_a_picture(bomb: Callable[[], bytes]) -> None:
    data = bomb()
    assert len(data) <= MAX_IMAGE_BYTES
    result, seconds = measured(lambda: inspect_image(data, param="imageBase64"))
    assert seconds < CPU_SECONDS
    words = REFUSED.get(bomb.__name__)
    assert isinstance(result, DomainError) == (words is not None), result
    assert words is None or words in str(result)


@pytest.mark.parametrize(
    ("size", "mode"), [((8640, 5760), "RGB"), ((7000, 7000), "L"), ((4000, 3000), "CMYK")]
)
def test_a_large_progressive_picture_of_a_camera_is_taken(size: tuple[int, int], mode: str) -> None:
    result, seconds = measured(lambda: inspect_image(progressive(*size, mode), param="x"))
    assert isinstance(result, InspectedImage)
    assert (result.width, result.height) == size
    assert seconds < 2 * CPU_SECONDS


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)


@pytest.fixture
async def hostile() -> AsyncIterator[PictureInspections]:
    inspections = PictureInspections(
        "tests.support.hostile_decoder:work", cpu_seconds=1, memory_bytes=64 * 1024 * 1024
    )
    async with closed(inspections):
        yield inspections


@asynccontextmanager
async def closed(inspections: PictureInspections) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await inspections.close()


async def test_a_decoder_that_breaks_its_bounds_ends_alone(hostile: PictureInspections) -> None:
    for does in (hostile_decoder.BURN, hostile_decoder.HOG, hostile_decoder.CRASH):
        with pytest.raises(ImageUnreadable, match="more time or memory") as refused:
            await hostile.inspect(does, param="imageBase64", workspace="ws_a")
        assert refused.value.param == "imageBase64"
        found = await hostile.inspect(hostile_decoder.SOUND, param="x", workspace="ws_b")
        assert found.content_type == "image/png"


async def test_of_pictures_that_share_a_process_the_one_that_breaks_it_is_refused_alone(
    hostile: PictureInspections, tmp_path: Path
) -> None:
    released = tmp_path / "released"
    held = [
        asyncio.create_task(
            hostile.inspect(hostile_decoder.waits_for(released), param="x", workspace=f"ws_{n}")
        )
        for n in range(2)
    ]
    await until(lambda: len(hostile_decoder.running()) == 2)
    pictures = [hostile_decoder.SOUND, hostile_decoder.CRASH, hostile_decoder.SOUND]
    crowd = [
        asyncio.create_task(hostile.inspect(data, param="x", workspace="ws_a")) for data in pictures
    ]
    await asyncio.sleep(0)
    released.touch()
    first, second, third = await asyncio.gather(*crowd, return_exceptions=True)
    assert isinstance(second, ImageUnreadable)
    assert isinstance(first, InspectedImage)
    assert isinstance(third, InspectedImage)
    await asyncio.gather(*held)


def nice(process: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, process)


async def test_heavy_pictures_hold_no_place_of_the_others_and_yield_the_core_to_them(
    hostile: PictureInspections, tmp_path: Path
) -> None:
    released = tmp_path / "released"
    light = hostile_decoder.waits_for(released)
    heavy = light + bytes(4 * 1024 * 1024)
    crowd = [
        asyncio.create_task(hostile.inspect(heavy, param="x", workspace="ws_a")) for _ in range(5)
    ]
    await until(lambda: [nice(one) > nice(0) for one in hostile_decoder.running()] == [True])
    try:
        # Two at once have places that no heavy one holds.
        first = asyncio.create_task(hostile.inspect(light, param="x", workspace="ws_b"))
        await until(lambda: len(hostile_decoder.running()) == 2)
        for _ in range(3):
            await hostile.inspect(hostile_decoder.SOUND, param="x", workspace="ws_b")
        assert not any(task.done() for task in [first, *crowd])
    finally:
        released.touch()
    assert len(await asyncio.gather(first, *crowd)) == 6


async def test_who_goes_away_takes_the_decoder_along(
    hostile: PictureInspections, tmp_path: Path
) -> None:
    never = hostile_decoder.waits_for(tmp_path / "never")
    for _ in range(4):
        task = asyncio.create_task(hostile.inspect(never, param="x", workspace="ws_a"))
        await until(lambda: len(hostile_decoder.running()) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not hostile_decoder.running())
    await hostile.inspect(hostile_decoder.SOUND, param="x", workspace="ws_a")


async def test_an_ordinary_picture_is_read_there_as_it_is_here() -> None:
    inspections = PictureInspections()
    async with closed(inspections):
        for kind in ("PNG", "JPEG", "WEBP"):
            data = picture(kind)
            found = await inspections.inspect(data, param="x", workspace="ws_a")
            assert found == inspect_image(data, param="x")
        with pytest.raises(DomainError) as refused:
            await inspections.inspect(b"no picture", param="imageBase64", workspace="ws_a")
    assert (refused.value.code, refused.value.param) == ("unsupported_image", "imageBase64")
