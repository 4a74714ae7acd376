"""Options that several commands take."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from imagerift import choices
from imagerift.calls import Cutout, RequestedOutput
from imagerift.choices import Aspect, CutoutAlign, CutoutShadow, Format, Size
from imagerift.connection import URL_VARIABLE

Photo = Annotated[Path, typer.Argument(help="The photo.", exists=True, dir_okay=False)]
PhotoOrNone = Annotated[
    Path | None,
    typer.Argument(
        help="The photo; none for a mode that looks at none.", exists=True, dir_okay=False
    ),
]
Shape = Annotated[Aspect | None, typer.Option(help="Shape of the pictures.")]
FileFormat = Annotated[Format | None, typer.Option("--format", help="Format of the files.")]
LongEdge = Annotated[Size | None, typer.Option(help="Long edge: 1024, 2048 or 4096 pixels.")]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--as",
        help="Make each picture as SHAPE,SIZE,FORMAT, such as 1:1,2k,jpeg: in any order, each may "
        "be left out. Once for each output, in place of --aspect, --size and --format.",
        metavar="SHAPE,SIZE,FORMAT",
        autocompletion=choices.outputs,
    ),
]
# The key comes from the environment only: an argument would show in the list of processes.
Url = Annotated[str, typer.Option("--url", envvar=URL_VARIABLE, help="Address of the API.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's own JSON.")]
JobId = Annotated[uuid.UUID, typer.Argument(help="Id of the job.", metavar="JOB_ID")]
Folder = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Save the pictures in this folder.", file_okay=False),
]
IdempotencyKey = Annotated[
    str | None, typer.Option(help="Sent twice with the same key, it is accepted once.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")]
Mask = Annotated[
    Path | None,
    typer.Option(help="Your own matte: white is the subject.", exists=True, dir_okay=False),
]
NegativePrompt = Annotated[
    str | None, typer.Option(help="What is not to be seen; of modes that take it.")
]
KeepSubject = Annotated[
    bool | None,
    typer.Option(
        "--keep-subject/--relight-subject",
        help="Of a scene: the subject's own pixels (as without either), or lit with the scene.",
        show_default=False,
    ),
]
ReferenceKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--reference-key",
        help="imageKey of another picture that is looked at; once for each, of modes that take "
        "them.",
        metavar="KEY",
    ),
]
Background = Annotated[
    str | None,
    typer.Option(help="Of a cut-out: transparent, or a colour as #rrggbb.", metavar="COLOUR"),
]
Padding = Annotated[
    float | None,
    typer.Option(
        help="Of a cut-out: empty space on every side, as a share of the shorter side.",
        min=0,
        max=0.45,
    ),
]
Fill = Annotated[
    float | None,
    typer.Option(
        help="Of a cut-out: share of the width or height that the subject takes.", min=0.1, max=1
    ),
]
Align = Annotated[
    CutoutAlign | None, typer.Option(help="Of a cut-out: where the subject is placed.")
]
Shadow = Annotated[
    CutoutShadow | None, typer.Option(help="Of a cut-out: the shadow beneath the subject.")
]
Width = Annotated[
    int | None,
    typer.Option(help="Of a cut-out: exact width in pixels, with --height.", min=16, max=4096),
]
Height = Annotated[
    int | None,
    typer.Option(help="Of a cut-out: exact height in pixels, with --width.", min=16, max=4096),
]


def outputs_of(texts: list[str] | None) -> list[RequestedOutput] | None:
    """The outputs that were given, None where none was. Raises `typer.BadParameter`."""
    try:
        return [cast(RequestedOutput, choices.output_of(text)) for text in texts or []] or None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--as") from None


def cutout_of(**options: Any) -> Cutout | None:
    """The options that were given, None where none was."""
    named = {name: value for name, value in options.items() if value is not None}
    return cast(Cutout, named) if named else None
