"""How far a job is, as clients see it."""

from __future__ import annotations

from typing import Annotated

from imagerift_contract.values import ProgressStage
from imagerift_core.stored import SHOWN
from pydantic import Field

from imagerift_api.http.shapes import AnswerBody


class ProgressObject(AnswerBody):
    """How far a job is that runs, by what its models told a moment ago."""

    stage: Annotated[
        Annotated[ProgressStage, SHOWN],
        Field(
            description="What is done: `fetch` and `decode` of the source, `moderate`, `waiting`"
            " for a model that draws others first, `model`, `encode` and `upload` of a picture."
        ),
    ]
    step: Annotated[
        int | None,
        Field(description="Steps done of `steps`; null where the model tells of none."),
    ]
    steps: int | None
    variation: Annotated[
        int, Field(description="The one that is made, 0 for the first; of several, the first.")
    ]
    variations: int
    share: Annotated[float, Field(ge=0, le=1, description="How much of the whole job is done.")]
    eta_seconds: Annotated[
        float | None,
        Field(
            description="Seconds until it ends, by the time that its steps take, or that such jobs"
            " took lately; null where neither is known."
        ),
    ]
