"""The REQUEST and RESULT documents of an entry model, as typed values."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar, get_args

from imagerift_contract.cutouts import CutoutOptions
from imagerift_contract.values import (
    DEFAULT_EXPORT_SIZE,
    DEFAULT_ON_UNCLEAR_SUBJECT,
    DEFAULT_OUTPUT_ASPECT,
    DEFAULT_OUTPUT_FORMAT,
    MAX_OUTPUTS,
    MAX_PICTURES,
    MAX_REFERENCES,
    MAX_SEED,
    MAX_VARIATIONS,
    SEED_SPACE,
    ExportSize,
    OnUnclearSubject,
    OutputAspect,
    OutputFormat,
)

from imagerift_vision.analysis import Analysis
from imagerift_vision.cutout_options import read_cutout
from imagerift_vision.errors import VisionError

SIZES: tuple[ExportSize, ...] = get_args(ExportSize)
ASPECTS: tuple[OutputAspect, ...] = get_args(OutputAspect)
FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
ON_UNCLEAR: tuple[OnUnclearSubject, ...] = get_args(OnUnclearSubject)

_Choice = TypeVar("_Choice", bound=str)


@dataclass(frozen=True)
class Target:
    """Where one picture is put, and its thumbnail where one is wanted."""

    index: int
    url: str
    content_type: str
    thumbnail_url: str | None = None


@dataclass(frozen=True)
class WantedOutput:
    """One shape of each variation."""

    aspect: OutputAspect
    size: ExportSize
    format: OutputFormat


@dataclass(frozen=True)
class GenerateRequest:
    """One attempt at one job."""

    attempt_id: str
    seconds_left: float
    """From when it is read."""
    source_url: str
    mask_url: str | None
    """Of the caller's own matte."""
    reference_urls: tuple[str, ...]
    """Of pictures beside the source."""
    mode: str
    preset: str | None
    prompt: str
    seed: int
    variations: int
    export_size: ExportSize
    output_aspect: OutputAspect
    output_format: OutputFormat
    on_unclear_subject: OnUnclearSubject
    targets: tuple[Target, ...]
    cutout: CutoutOptions | None = None
    negative_prompt: str = ""
    keep_subject: bool = True
    outputs: tuple[WantedOutput, ...] = ()
    """Empty where no others than the one shape are wanted."""
    gate: str | None = None
    """The safety gate that must judge it; None where the installation asks for none."""
    wait_seconds: float = 0.0
    """What it may wait, beside them, for a model that works for others."""

    @property
    def shapes(self) -> tuple[WantedOutput, ...]:
        """The shapes that each variation is made in."""
        one = WantedOutput(self.output_aspect, self.export_size, self.output_format)
        return self.outputs or (one,)

    def shape_of(self, index: int) -> WantedOutput:
        """The shape of the picture of that index."""
        return self.shapes[index % len(self.shapes)]

    def seed_of(self, index: int) -> int:
        """The seed of the picture of that index: its variation's."""
        return (self.seed + index // len(self.shapes)) % SEED_SPACE


@dataclass(frozen=True)
class Output:
    """One delivered picture."""

    index: int
    seed: int
    width: int
    height: int
    content_type: str
    size_bytes: int
    sha256: str
    thumbnail: bool = False
    """Whether a thumbnail was put beside it."""

    def as_dict(self) -> dict[str, int | str | bool]:
        """One of the `outputs` of RESULT."""
        return {
            "index": self.index,
            "seed": self.seed,
            "width": self.width,
            "height": self.height,
            "contentType": self.content_type,
            "sizeBytes": self.size_bytes,
            "sha256": self.sha256,
            "thumbnail": self.thumbnail,
        }


@dataclass(frozen=True)
class ModelVersion:
    """A model or algorithm that had a hand in an output."""

    name: str
    version: str


@dataclass
class Metrics:
    """Milliseconds spent in each stage of one attempt."""

    fetchMs: float = 0.0  # noqa: N815 - the names are the wire's
    decodeMs: float = 0.0  # noqa: N815
    moderationMs: float = 0.0  # noqa: N815 - told where there is a safety gate
    modelMs: float = 0.0  # noqa: N815
    encodeMs: float = 0.0  # noqa: N815
    uploadMs: float = 0.0  # noqa: N815
    waitMs: float = 0.0  # noqa: N815 - told where a model worked for others first


@dataclass
class Result:
    """What an entry model answers."""

    outputs: list[Output] = field(default_factory=list)
    omitted: list[tuple[int, str]] = field(default_factory=list)
    error: VisionError | None = None
    preset: str | None = None
    models: list[ModelVersion] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    analysis: Analysis | None = None

    def to_json(self) -> str:
        """The RESULT document."""
        document = {
            "outputs": [output.as_dict() for output in self.outputs],
            "omitted": [{"index": index, "code": code} for index, code in self.omitted],
            "error": None if self.error is None else self.error.as_dict(),
            "preset": self.preset,
            "models": [asdict(model) for model in self.models],
            "analysis": None if self.analysis is None else self.analysis.as_dict(),
            "metrics": {
                name: round(value, 2)
                for name, value in asdict(self.metrics).items()
                if value or name not in {"moderationMs", "waitMs"}
            },
        }
        return json.dumps(document, separators=(",", ":"))


def parse_request(raw: bytes | str) -> GenerateRequest:
    """Read a REQUEST document.

    Raises VisionError `invalid_request`, naming the member that is wrong but never its value.
    """
    try:
        document = json.loads(raw)
    except ValueError:
        raise VisionError("invalid_request", "REQUEST is not JSON") from None
    if not isinstance(document, dict):
        raise VisionError("invalid_request", "REQUEST is not an object")
    source = _take(document, "source", dict)
    mask = None if document.get("mask") is None else _take(document, "mask", dict)
    variations = _whole(document, "variations", 1, MAX_VARIATIONS)
    outputs = _outputs(document.get("outputs"))
    pictures = variations * max(1, len(outputs))
    targets = tuple(_target(item) for item in _take(document, "targets", list))
    if sorted(target.index for target in targets) != list(range(pictures)):
        raise VisionError("invalid_request", "targets must name each picture once")
    return GenerateRequest(
        attempt_id=_take(document, "attemptId", str),
        seconds_left=_seconds(document, "secondsLeft"),
        wait_seconds=_seconds(document, "waitSeconds") if "waitSeconds" in document else 0.0,
        source_url=_take(source, "url", str),
        mask_url=None if mask is None else _take(mask, "url", str),
        reference_urls=_references(document.get("references")),
        mode=_take(document, "mode", str),
        preset=_optional_text(document, "preset"),
        prompt=_optional_text(document, "prompt") or "",
        seed=_whole(document, "seed", 0, MAX_SEED),
        variations=variations,
        export_size=_one_of(document, "exportSize", SIZES, DEFAULT_EXPORT_SIZE),
        output_aspect=_one_of(document, "outputAspect", ASPECTS, DEFAULT_OUTPUT_ASPECT),
        output_format=_one_of(document, "outputFormat", FORMATS, DEFAULT_OUTPUT_FORMAT),
        on_unclear_subject=_one_of(
            document, "onUnclearSubject", ON_UNCLEAR, DEFAULT_ON_UNCLEAR_SUBJECT
        ),
        cutout=read_cutout(document.get("cutout")),
        negative_prompt=_optional_text(document, "negativePrompt") or "",
        keep_subject=_optional_flag(document, "keepSubject", default=True),
        outputs=outputs,
        gate=_optional_text(document, "gate"),
        targets=tuple(sorted(targets, key=lambda target: target.index)),
    )


def _outputs(items: Any) -> tuple[WantedOutput, ...]:
    if items is None:
        return ()
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_OUTPUTS:
        raise VisionError("invalid_request", f"outputs must be a list of 1 to {MAX_OUTPUTS}")
    if not all(isinstance(item, dict) for item in items):
        raise VisionError("invalid_request", "one of the outputs is not an object")
    return tuple(
        WantedOutput(
            _one_of(item, "aspect", ASPECTS, DEFAULT_OUTPUT_ASPECT),
            _one_of(item, "size", SIZES, DEFAULT_EXPORT_SIZE),
            _one_of(item, "format", FORMATS, DEFAULT_OUTPUT_FORMAT),
        )
        for item in items
    )


def _references(items: Any) -> tuple[str, ...]:
    if items is None:
        return ()
    if not isinstance(items, list) or len(items) > MAX_REFERENCES:
        raise VisionError("invalid_request", f"references must be a list of {MAX_REFERENCES} most")
    if not all(isinstance(item, dict) for item in items):
        raise VisionError("invalid_request", "one of the references is not an object")
    return tuple(_take(item, "url", str) for item in items)


def _target(item: Any) -> Target:
    if not isinstance(item, dict):
        raise VisionError("invalid_request", "a target is not an object")
    return Target(
        index=_whole(item, "index", 0, MAX_PICTURES - 1),
        url=_take(item, "url", str),
        content_type=_take(item, "contentType", str),
        thumbnail_url=_optional_text(item, "thumbnailUrl"),
    )


def _take(document: dict[str, Any], name: str, kind: type) -> Any:
    value = document.get(name)
    if not isinstance(value, kind):
        raise VisionError("invalid_request", f"{name} is missing or of a wrong type")
    return value


def _optional_text(document: dict[str, Any], name: str) -> str | None:
    return None if document.get(name) is None else str(_take(document, name, str))


def _optional_flag(document: dict[str, Any], name: str, *, default: bool) -> bool:
    return default if document.get(name) is None else bool(_take(document, name, bool))


def _seconds(document: dict[str, Any], name: str) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise VisionError("invalid_request", f"{name} is missing or of a wrong type")
    if not 0 <= value < math.inf:
        raise VisionError("invalid_request", f"{name} must be 0 or more, and finite")
    return float(value)


def _whole(document: dict[str, Any], name: str, low: int, high: int) -> int:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise VisionError("invalid_request", f"{name} must be a whole number, {low} to {high}")
    return value


def _one_of(
    document: dict[str, Any], name: str, allowed: tuple[_Choice, ...], default: _Choice
) -> _Choice:
    value = document.get(name) or default
    for choice in allowed:
        if value == choice:
            return choice
    raise VisionError("invalid_request", f"{name} must be one of {', '.join(allowed)}")
