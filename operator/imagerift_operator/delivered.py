"""What a model says that it delivered is believed once the bucket says so too.

A model server may be somebody's own, and may be wrong: without this look a job would be charged
for pictures that are not there.
"""

from __future__ import annotations

import asyncio

import stamina
import structlog
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.jobs import JobRecord
from imagerift_core.model_documents import DeliveredOutput, ModelAnswer, ModelProblem
from imagerift_core.s3 import ObjectStore

from imagerift_operator.attempt_codec import output_keys

log = structlog.get_logger(__name__)
_MISSING = ModelProblem(
    code="model_error",
    message="The model delivered no output that the bucket holds.",
    retryable=True,
)


class Deliveries:
    """Compares answers with the bucket."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def confirmed(self, record: JobRecord, answer: ModelAnswer) -> ModelAnswer:
        """The answer with those outputs alone that are stored, in the size that it says.

        While the bucket is away this waits for it. An output whose thumbnail alone is missing
        stays, without it.
        """
        asked = [one for one in answer.outputs if one.index in range(record.spec.pictures)]
        looked = await asyncio.gather(*(self._confirmed(record, output) for output in asked))
        outputs = [output for output in looked if output is not None]
        if len(outputs) == len(asked):
            return answer.model_copy(update={"outputs": outputs})
        log.warning("outputs_not_stored", job=record.id, said=len(asked), stored=len(outputs))
        error = answer.error if outputs else _MISSING
        return answer.model_copy(update={"outputs": outputs, "error": error})

    async def _confirmed(
        self, record: JobRecord, output: DeliveredOutput
    ) -> DeliveredOutput | None:
        key, thumbnail = output_keys(record, output.index)
        if await self._size_of(key) != output.size_bytes:
            return None
        if output.thumbnail and await self._size_of(thumbnail) is None:
            return output.model_copy(update={"thumbnail": False})
        return output

    async def _size_of(self, key: str) -> int | None:
        async for attempt in stamina.retry_context(
            on=CapacityUnavailable, attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                size = await self._store.size_of(key)
        return size
