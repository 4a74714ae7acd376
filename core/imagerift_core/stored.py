"""Reading what another version has stored, or somebody by hand.

A document that is read here may hold members that this version does not know: they are passed
over. A word of a closed list may be one of a newer version: it is kept, and shown as it stands.
Whatever else is not as it should be makes that document `Unreadable`, and no other.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import structlog
from cachetools import TTLCache
from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

# The context in which documents are validated, and requests and answers of models are not.
STORED = "stored"
_SAID_AGAIN_SECONDS = 600.0
_LONGEST_WORD = 64

Model = TypeVar("Model", bound=BaseModel)
_log = structlog.get_logger(__name__)
_said: TTLCache[str, bool] = TTLCache(10_000, _SAID_AGAIN_SECONDS)


class Unreadable(Exception):
    """A document that this version cannot read: another version's, or damaged.

    No domain error, since nobody who asks can act on it. `fields` are the members at fault; what
    they hold is not told.
    """

    def __init__(self, kind: str, id: str, fields: Iterable[str]) -> None:
        self.id = id
        self.fields = sorted(set(fields))
        super().__init__(f"{kind} {id} cannot be read: {', '.join(self.fields)}")


def read(model: type[Model], document: Mapping[str, Any]) -> Model:
    """The stored document as `model`. Raises `Unreadable`."""
    try:
        return model.model_validate(document, context=STORED)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        fields = (".".join(str(part) for part in each["loc"]) for each in problems)
        unreadable = Unreadable(model.__name__, str(document.get("_id")), fields)
    # Without a cause: the one above holds what the document does.
    raise unreadable


def try_read(model: type[Model], document: Mapping[str, Any]) -> Model | Unreadable:
    """The stored document as `model`, or why it cannot be one, which is logged now and then."""
    try:
        return read(model, document)
    except Unreadable as error:
        if str(error) not in _said:
            _said[str(error)] = True
            _log.error("document_unreadable", kind=model.__name__, id=error.id, fields=error.fields)
        return error


def known_members(model: type[BaseModel], content: Any, info: ValidationInfo) -> Any:
    """What is read of a part that was stored: members that `model` does not know are passed over.

    For a part whose form is also one of requests, where unknown members are refused.
    """
    if info.context == STORED and isinstance(content, dict):
        return {name: value for name, value in content.items() if name in model.model_fields}
    return content


async def readable(
    model: type[Model], documents: AsyncIterable[Mapping[str, Any]]
) -> AsyncIterator[Model]:
    """Those of a cursor's documents that can be read; the others are logged now and then."""
    async for document in documents:
        found = try_read(model, document)
        if not isinstance(found, Unreadable):
            yield found


async def all_readable(
    model: type[Model], documents: AsyncIterable[Mapping[str, Any]]
) -> list[Model]:
    """As `readable`, at once."""
    return [found async for found in readable(model, documents)]


@dataclass(frozen=True)
class _OpenWords:
    """For a field whose words are a closed list, as `Annotated[Literal[...], KEPT]`.

    Its schema names the words of this version; others are taken where `always`, and else out of
    the store alone.
    """

    always: bool

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        other = _other_member(source) if isinstance(source, type) else str

        def read_word(
            value: Any, known_word: ValidatorFunctionWrapHandler, info: ValidationInfo
        ) -> Any:
            if not isinstance(value, str) or not (self.always or info.context == STORED):
                return known_word(value)
            try:
                return known_word(value)
            except ValidationError:
                if 0 < len(value) <= _LONGEST_WORD:
                    return other(value)
                raise

        schema: Any = WrapValidator(read_word).__get_pydantic_core_schema__(source, handler)
        # Else the serializer would miss the words that it knows.
        schema["serialization"] = {"type": "str"}
        return schema

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        return handler(schema)


def _other_member(words: type[StrEnum]) -> Any:
    """Makes a member that the list does not have, for one word."""

    def member(word: str) -> StrEnum:
        made = str.__new__(words, word)
        made._name_ = made._value_ = word
        return made

    return member


# Of records: words of another version are kept where they come out of the store.
KEPT = _OpenWords(always=False)
# Of answers: words of another version are shown as they stand.
SHOWN = _OpenWords(always=True)
