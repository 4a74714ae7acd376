"""What an attempt's answer comes to."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

from imagerift_core.jobs import JobRecord
from imagerift_core.model_documents import ModelAnswer
from imagerift_core.settlement_rules import Settlement
from imagerift_operator.attempt_codec import read_answer
from imagerift_operator.outcomes import Outcomes

from tests.unit.operator.builders import make_entry, make_record
from tests.unit.operator.test_attempt_codec import OUTPUT


class Bucket:
    """Holds the outputs of these indices alone."""

    def __init__(self, *indices: int) -> None:
        self._indices = indices

    async def confirmed(self, _record: JobRecord, answer: ModelAnswer) -> ModelAnswer:
        held = [output for output in answer.outputs if output.index in self._indices]
        return answer.model_copy(update={"outputs": held})


async def test_what_is_settled_is_what_the_bucket_holds() -> None:
    settled: list[Settlement] = []

    async def settle(ended: Settlement) -> Any:
        settled.append(ended)
        return MagicMock()

    outcomes = Outcomes(
        jobs=MagicMock(),
        memory=MagicMock(),
        settler=cast(Any, MagicMock(settle=settle)),
        deliveries=cast(Any, Bucket(1)),
        writer=cast(Any, MagicMock(write=AsyncMock())),
        metrics=MagicMock(),
        crash=MagicMock(),
    )
    told = read_answer({"outputs": [OUTPUT, OUTPUT | {"index": 1}]})
    await outcomes.end(make_entry("job-1"), make_record(attempt=1), told)
    assert [output.index for output in settled[0].outputs] == [1]
