"""What clients may send: bodies, queries and headers as models, every fault listed at once."""

from __future__ import annotations

import re
from itertools import chain
from typing import Annotated, Any, TypeVar
from uuid import UUID

from imagerift_contract.values import (
    DEFAULT_EXPORT_SIZE,
    DEFAULT_OUTPUT_ASPECT,
    DEFAULT_OUTPUT_FORMAT,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    MAX_VARIATIONS,
    ExportSize,
    OutputAspect,
    OutputFormat,
)
from imagerift_core.errors import InvalidRequest, JobNotFound
from imagerift_core.generation import (
    GenerationSpec,
    ModeName,
    PresetName,
    random_seed,
)
from imagerift_core.ids import is_job_id
from imagerift_core.jobs import Status
from multidict import MultiMapping
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from imagerift_api.http.bodies import GenerationId, RequestBody, Whole, present

Body = TypeVar("Body", bound=RequestBody)
Query = TypeVar("Query", bound="RequestQuery")
Headers = TypeVar("Headers", bound="RequestHeaders")
MAX_KEY_CHARACTERS = 1024
MAX_METADATA_PAIRS = 16
DEFAULT_DEADLINE_SECONDS = 3600
_METADATA_FILTER = "metadata."
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")
# In a query a plus sign stands for a space, unless it was escaped.
_UNESCAPED_OFFSET = re.compile(r"(?<=\d) (?=\d{2}:?\d{2}$)")
SOURCES = ("imageBase64", "imageKey", "sourceGenerationId")

# The store's names of fields cannot hold a null character.
MetadataKey = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
MetadataValue = Annotated[str, Field(max_length=512)]


def _rfc3339(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _DATE_AND_TIME.match(value):
        raise ValueError("Input should be a time such as 2026-11-22T12:00:00Z")
    date, time = value[:11], value[11:]
    return date + _UNESCAPED_OFFSET.sub("+", time)


def _one_source(*names: str) -> dict[str, Any]:
    """The JSON schema of: exactly one of these is there and not null."""
    return {
        "oneOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in names]
    }


Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]


class StoredSourceBody(RequestBody):
    """What to make from a picture that the workspace has already."""

    model_config = ConfigDict(
        strict=True, json_schema_extra=_one_source("imageKey", "sourceGenerationId")
    )

    mode: ModeName
    preset: PresetName | None = None
    prompt: str = Field("", max_length=MAX_PROMPT_CHARACTERS)
    export_size: ExportSize = DEFAULT_EXPORT_SIZE
    output_aspect: OutputAspect = DEFAULT_OUTPUT_ASPECT
    output_format: OutputFormat = DEFAULT_OUTPUT_FORMAT
    variations: Whole = Field(1, ge=1, le=MAX_VARIATIONS)
    seed: Whole | None = Field(None, ge=0, le=MAX_SEED)
    image_key: str | None = Field(None, min_length=1, max_length=MAX_KEY_CHARACTERS)
    source_generation_id: GenerationId | None = Field(None, min_length=1, max_length=64)
    metadata: Annotated[dict[MetadataKey, MetadataValue], BeforeValidator(present)] = Field(
        default_factory=dict, max_length=MAX_METADATA_PAIRS
    )
    webhook_url: str | None = Field(
        None, min_length=1, max_length=2048, description="Where the job's end is told; https."
    )
    deadline_seconds: Whole = Field(DEFAULT_DEADLINE_SECONDS, ge=10, le=3600)

    def spec(self) -> GenerationSpec:
        """The wish, with a random seed where none was asked for."""
        wish = self.model_dump(include=set(GenerationSpec.model_fields) - {"seed"})
        return GenerationSpec(**wish, seed=random_seed() if self.seed is None else self.seed)


class GenerateBody(StoredSourceBody):
    """The body of a submit."""

    model_config = ConfigDict(
        json_schema_extra=_one_source("imageBase64", "imageKey", "sourceGenerationId")
    )

    image_base64: str | None = None

    @classmethod
    def faults_between_fields(cls, content: dict[str, Any]) -> list[dict[str, str]]:
        return source_faults(content, SOURCES)


def _job_id(text: str) -> str:
    if not is_job_id(text):
        raise JobNotFound("There is no such job.")
    return text


class JobPath(BaseModel):
    """The path of a job. Any other id is simply not found."""

    model_config = ConfigDict(alias_generator=to_camel)

    job_id: Annotated[str, AfterValidator(_job_id)] = Field(
        description="The job's id.", json_schema_extra={"format": "uuid"}
    )


class RequestQuery(BaseModel):
    """A query. Each name comes once at most, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    @classmethod
    def collect(cls, query: MultiMapping[str]) -> dict[str, Any]:
        """The values by name. Raises `InvalidRequest`."""
        return {name: once(query, name) for name in query}


class RequestHeaders(BaseModel):
    """Those headers of a request that an operation takes; a field gets every value that came."""


class ListQuery(RequestQuery):
    """The query of a job list."""

    status: list[Status] = Field(default_factory=list)
    mode: ModeName | None = None
    batch_id: UUID | None = None
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=MAX_METADATA_PAIRS,
        description="Jobs whose metadata has this value under KEY; may come for several keys.",
    )
    created_after: Moment | None = None
    created_before: Moment | None = None
    cursor: str | None = Field(None, max_length=64)
    limit: int = Field(20, ge=1, le=100)

    @classmethod
    def collect(cls, query: MultiMapping[str]) -> dict[str, Any]:
        """`status` may come several times, or with commas; `metadata.KEY` once for each key."""
        content: dict[str, Any] = {}
        metadata: dict[str, str] = {}
        # Each name once, however often it came.
        for name in dict.fromkeys(query):
            if name == "status":
                parts = [value.split(",") for value in query.getall(name)]
                content[name] = list(chain.from_iterable(parts))
            elif name.startswith(_METADATA_FILTER):
                metadata[name.removeprefix(_METADATA_FILTER)] = once(query, name)
            elif name == "metadata":
                once(query, name)
                raise InvalidRequest("Unknown filter.", param=name)
            else:
                content[name] = once(query, name)
        return content | ({"metadata": metadata} if metadata else {})


def parse_body(model: type[Body], content: Any) -> Body:
    """The body as `model`. Raises `InvalidRequest` that lists every fault."""
    if not isinstance(content, dict):
        raise InvalidRequest("The body must be a JSON object.")
    faults = []
    try:
        body = model.model_validate(content)
    except ValidationError as error:
        faults = faults_of(error, "field")
    faults += model.faults_between_fields(content)
    if faults:
        raise invalid(faults)
    return body


def parse_query(model: type[Query], query: MultiMapping[str]) -> Query:
    """The query as `model`. Raises `InvalidRequest` that lists every fault."""
    try:
        return model.model_validate(model.collect(query))
    except ValidationError as error:
        raise invalid(faults_of(error, "filter")) from None


def parse_headers(model: type[Headers], headers: MultiMapping[str]) -> Headers:
    """The headers that `model` names. Raises `InvalidRequest`."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    content = {name: headers.getall(name) for name in names if name in headers}
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise invalid(faults_of(error, "header")) from None


def once(query: MultiMapping[str], name: str) -> str:
    """The value of a member of the query. Raises `InvalidRequest` where there are several."""
    values = query.getall(name)
    if len(values) > 1:
        raise InvalidRequest(f"{name} came more than once.", param=name)
    return values[0]


def source_faults(content: dict[str, Any], names: tuple[str, ...]) -> list[dict[str, str]]:
    """The fault of a body that does not name exactly one of the sources."""
    sent = [name for name in names if content.get(name) is not None]
    if len(sent) == 1:
        return []
    message = f"Send exactly one of {', '.join(names)}; {' and '.join(sent) or 'none'} came."
    return [{"param": name, "message": message} for name in sent or names[:1]]


def refuse_query(query: MultiMapping[str]) -> None:
    """Raises `InvalidRequest` where a route that takes no query got one."""
    if query:
        name = next(iter(query))
        raise InvalidRequest("Unknown filter.", param=name)


def faults_of(error: ValidationError, kind: str) -> list[dict[str, str]]:
    """Every fault, with the path of its field; no value that came is quoted."""
    return [_fault(item, kind) for item in error.errors(include_url=False, include_input=False)]


def invalid(faults: list[dict[str, str]]) -> InvalidRequest:
    """The refusal that lists the faults."""
    first = faults[0]
    summary = f"{first['param']}: {first['message']}"
    if len(faults) > 1:
        summary += f" And {len(faults) - 1} more, listed in errors."
    return InvalidRequest(summary, param=first["param"], errors=faults)


def _fault(item: ErrorDetails, kind: str) -> dict[str, str]:
    path = [str(part) for part in item["loc"]]
    if path and path[-1] == "[key]":
        path = path[:-1]
    messages = {"extra_forbidden": f"Unknown {kind}.", "missing": "This field is required."}
    message = messages.get(item["type"])
    if message is None:
        message = item["msg"].removeprefix("Value error, ")
        message = message if message.endswith(".") else f"{message}."
    return {"param": ".".join(path), "message": message}
