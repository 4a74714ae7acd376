"""Which modes are offered: those of the file, as far as pools serve them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from imagerift_api.jobs.drafts import check_source
from imagerift_api.jobs.offers import Offers
from imagerift_api.jobs.schemas import GenerateBody, StoredSourceBody
from imagerift_core.errors import CapacityUnavailable, InvalidRequest
from imagerift_core.generation import GenerationSpec
from imagerift_core.modes import load_modes
from imagerift_core.mongo.scheduler_snapshot import ServedMode

MODES = load_modes()
ASPECTS = [{"aspect": "1:1"}, {"aspect": "9:16"}]


class Snapshots:
    """The store, which may be away."""

    def __init__(self, **served: ServedMode) -> None:
        self.served: dict[str, ServedMode] | None = served
        self.reads = 0

    async def served_modes(self, _shard: str) -> dict[str, ServedMode]:
        self.reads += 1
        if self.served is None:
            raise CapacityUnavailable("away")
        return self.served


def offers(snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch | None = None) -> Offers:
    if monkeypatch is not None:
        monkeypatch.setattr("imagerift_api.jobs.offers._FRESH_SECONDS", 0.0)
    return Offers(MODES, cast(Any, snapshots), "imagerift")


async def test_what_needs_a_pool_is_offered_where_one_serves_it() -> None:
    plain = await offers(Snapshots()).modes()
    assert set(MODES) - set(plain) == {"edit", "generate"}
    both = await offers(Snapshots(edit=ServedMode(), dream=ServedMode())).modes()
    assert set(MODES) - set(both) == {"generate"}


async def test_while_the_store_is_away_what_was_known_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snapshots = Snapshots(edit=ServedMode(one_aspect=True))
    offered = offers(snapshots, monkeypatch)
    assert "edit" in await offered.modes()
    snapshots.served = None
    assert "edit" in await offered.modes()
    assert await offered.one_aspect("edit")


async def test_the_store_is_asked_once_for_many() -> None:
    snapshots = Snapshots()
    offered = offers(snapshots)
    for _ in range(50):
        await offered.modes()
    assert snapshots.reads == 1


def spec(mode: str, **fields: Any) -> GenerationSpec:
    return GenerationSpec.model_validate({"mode": mode, "prompt": "p", "seed": 1} | fields)


async def test_several_aspects_are_refused_where_each_would_be_another_picture() -> None:
    offered = offers(Snapshots(style=ServedMode(one_aspect=True), scene=ServedMode()))
    with pytest.raises(InvalidRequest) as refusal:
        await offered.check(spec("style", outputs=ASPECTS))
    assert refusal.value.param == "outputs"
    for fine in (
        spec("style", outputs=[{"aspect": "1:1"}, {"aspect": "1:1", "size": "2k"}]),
        spec("style"),
        spec("scene", outputs=ASPECTS),
        # Of what no pool is told of, nothing is known.
        spec("avatar", preset="anime", outputs=ASPECTS),
    ):
        await offered.check(fine)


async def test_references_are_as_many_as_the_mode_takes_and_a_pool_looks_at() -> None:
    offered = offers(Snapshots(edit=ServedMode(references=2), style=ServedMode(references=3)))
    assert [await offered.references(mode) for mode in ("edit", "style", "dream")] == [2, 0, 0]
    # Of what no pool is told of, the mode's own word holds.
    assert await offered.references("scene") == 3
    await offered.check(spec("edit"), references=2)
    for mode, count in (("edit", 3), ("style", 1)):
        with pytest.raises(InvalidRequest) as refusal:
            await offered.check(spec(mode), references=count)
        assert refusal.value.param == "referenceKeys"


def sent(kind: type[StoredSourceBody], **members: str) -> StoredSourceBody:
    return kind.model_validate(members)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (sent(GenerateBody, mode="style"), "imageBase64"),
        (sent(StoredSourceBody, mode="style"), "imageKey"),
        (sent(GenerateBody, mode="style", maskKey="k"), "imageBase64"),
        (sent(GenerateBody, mode="generate", imageBase64="QUJD"), "imageBase64"),
        (sent(StoredSourceBody, mode="generate", sourceGenerationId="g"), "sourceGenerationId"),
        (sent(GenerateBody, mode="generate", maskBase64="QUJD"), "maskBase64"),
        (sent(GenerateBody, mode="generate"), None),
        (sent(StoredSourceBody, mode="style", imageKey="k"), None),
        (sent(GenerateBody, mode="style", imageBase64="QUJD", maskKey="k"), None),
    ],
)
def test_a_mode_gets_a_picture_or_none(body: StoredSourceBody, param: str | None) -> None:
    mode = MODES[body.mode]
    if param is None:
        check_source(body, mode)
        return
    with pytest.raises(InvalidRequest) as refusal:
        check_source(body, mode)
    assert refusal.value.param == param
