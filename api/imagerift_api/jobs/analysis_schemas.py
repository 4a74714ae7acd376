"""What a job's answer says of the model's choices: preset, framing, people, the prompt as read."""

from __future__ import annotations

from typing import Annotated

from imagerift_contract.values import (
    Framing,
    IgnoredReason,
    PresetReason,
    ReadPart,
    SubjectReason,
    SubjectTreatment,
)
from imagerift_core.stored import SHOWN
from pydantic import Field

from imagerift_api.http.shapes import AnswerBody


class PeopleObject(AnswerBody):
    """The faces in the source."""

    found: Annotated[int, Field(ge=0)]
    shown: Annotated[
        int, Field(ge=0, description="How many of them the picture shows, each whole.")
    ]
    box: Annotated[
        list[float] | None,
        Field(
            description="Where a picture of one person found its face: left, top, right and bottom"
            " in shares of the source's width and height."
        ),
    ]


class AppliedObject(AnswerBody):
    """Words of the prompt that had an effect."""

    part: Annotated[ReadPart, SHOWN, Field(description="What of the picture they are about.")]
    value: Annotated[
        str,
        Field(description="What was made of them: a colour as `#rrggbb`, a preset or a word."),
    ]
    words: str


class IgnoredObject(AnswerBody):
    """Words of the prompt that had no effect."""

    words: str
    reason: Annotated[
        IgnoredReason,
        SHOWN,
        Field(
            description="`unknown` to the model, in `conflict` with other words that went before,"
            " or `impossible` with this look or picture."
        ),
    ]


class PromptReadObject(AnswerBody):
    """What was understood of the prompt."""

    preset: str
    why: Annotated[PresetReason, SHOWN, Field(description="As `presetReason`.")]
    applied: list[AppliedObject]
    ignored: list[IgnoredObject]


class SubjectObject(AnswerBody):
    """What became of the subject."""

    treatment: Annotated[
        Annotated[SubjectTreatment, SHOWN],
        Field(description="`cut_out` and put into a scene, or `graded` with the whole picture."),
    ]
    reason: Annotated[
        Annotated[SubjectReason, SHOWN],
        Field(
            description="The cut-out is `sure`; its matte was `given`, by a mask or the source's"
            " own alpha; `none` stands out; the cut-out is in `doubt`; or it is a `close_up` that"
            " the frame cuts on several sides."
        ),
    ]
    confidence: Annotated[
        float | None,
        Field(description="In the cut-out, 0 to 1; null where its matte was given."),
    ]


class AnalysisObject(AnswerBody):
    """What the model says of its choices; null where it has nothing to say."""

    preset: Annotated[str | None, Field(description="The preset that was used.")]
    preset_reason: Annotated[
        Annotated[PresetReason, SHOWN] | None,
        Field(
            description="Why: `request` names it, the prompt's words ask for a `background` or a"
            " `look`, the prompt's `meaning` is near it, or it is the `default`."
        ),
    ]
    preset_words: Annotated[str | None, Field(description="The prompt's words that decided.")]
    refused_presets: Annotated[
        list[str], Field(description='Presets that the prompt refuses ("no neon").')
    ]
    framing: Annotated[
        Annotated[Framing, SHOWN] | None,
        Field(
            description="How the source came to the output's proportions: shown `whole`, `cropped`,"
            " its backdrop `extended`, or `bordered` with itself out of focus."
        ),
    ]
    people: Annotated[PeopleObject | None, Field(description="Null where nobody was looked for.")]
    prompt_read: Annotated[
        PromptReadObject | None,
        Field(description="Null where the model does not tell how it read the prompt."),
    ]
    subject: Annotated[
        SubjectObject | None, Field(description="Null where no subject was looked for.")
    ]
