"""Documents of another version: what is read of them, and what is not."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
from imagerift_core.cutouts import CutoutOptions
from imagerift_core.generation import GenerationSpec
from imagerift_core.jobs import JobRecord, Status
from imagerift_core.model_documents import ModelAnswer
from imagerift_core.mongo.account_log import LogEntry
from imagerift_core.mongo.batches import Batch
from imagerift_core.mongo.deliveries import Delivery
from imagerift_core.mongo.idempotency import AcceptedKey
from imagerift_core.mongo.invitations import Invitation
from imagerift_core.mongo.job_lists import ExpiredJob, LiveResource
from imagerift_core.mongo.keys import ApiKey
from imagerift_core.mongo.members import Member
from imagerift_core.mongo.people import Person
from imagerift_core.mongo.scheduler_snapshot import SchedulerSnapshot
from imagerift_core.mongo.sessions import AccountSession
from imagerift_core.mongo.uploads import Upload
from imagerift_core.mongo.webhooks import Webhook
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.stored import KEPT, SHOWN, Unreadable, all_readable, read, try_read
from pydantic import BaseModel, ValidationError
from structlog.testing import capture_logs

from tests.support.job_records import make_record

Word = Literal["one", "two"]
Path = tuple[str | int, ...]
CUT = GenerationSpec(mode="cutout", cutout=CutoutOptions())
READ = {"preset": "studio", "why": "default", "applied": [], "ignored": []}


class Plain(BaseModel):
    word: Word
    words: list[Word] = []
    status: Status = Status.QUEUED


class Kept(BaseModel):
    word: Annotated[Word, KEPT]
    words: list[Annotated[Word, KEPT]] = []
    status: Annotated[Status, KEPT] = Status.QUEUED


class Shown(BaseModel):
    word: Annotated[Word, SHOWN]
    words: list[Annotated[Word, SHOWN]] = []
    status: Annotated[Status, SHOWN] = Status.QUEUED


def document_with(changes: dict[Path, Any], **fields: Any) -> dict[str, Any]:
    """The stored form of a record, with something else at each path."""
    document: dict[str, Any] = make_record(**fields).document()
    for path, value in changes.items():
        place: Any = document
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
    return document


def test_schemas_name_this_versions_words() -> None:
    for mode in ("validation", "serialization"):
        plain, kept, shown = (
            json.dumps(model.model_json_schema(mode=mode)).replace(model.__name__, "")
            for model in (Plain, Kept, Shown)
        )
        assert plain == kept == shown


@pytest.mark.parametrize("given", [{"word": "three"}, {"word": "one", "status": "paused"}])
def test_a_word_of_another_version_is_taken_out_of_the_store_alone(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Kept.model_validate(given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(Kept, given).model_dump(mode="json", exclude_unset=True) == given
        assert Shown.model_validate(given).model_dump(mode="json", exclude_unset=True) == given


@pytest.mark.parametrize("value", [None, 7, "", "x" * 65, {"word": "one"}])
def test_what_is_no_word_is_no_word_of_another_version(value: object) -> None:
    with pytest.raises(Unreadable):
        read(Kept, {"_id": "x", "word": value})


def test_a_status_of_another_version_is_none_of_ours() -> None:
    paused = read(Kept, {"word": "one", "status": "paused"}).status
    assert isinstance(paused, Status) and paused.value == "paused"
    assert not paused.known and not paused.terminal
    assert paused not in list(Status)
    assert all(status.known for status in Status)


@pytest.mark.parametrize(
    ("path", "read_as"),
    [
        (("status",), lambda record: record.status.value),
        (("origin",), lambda record: record.origin),
        (("execution",), lambda record: record.execution),
        (("quota", "scope"), lambda record: record.quota.scope),
        (("quota", "state"), lambda record: record.quota.state),
        (("error", "code"), lambda record: record.error.code),
        (("spec", "exportSize"), lambda record: record.spec.export_size),
        (("spec", "outputAspect"), lambda record: record.spec.output_aspect),
        (("spec", "outputFormat"), lambda record: record.spec.output_format),
        (("spec", "mode"), lambda record: record.spec.mode),
        (("spec", "cutout", "align"), lambda record: record.spec.cutout.align),
        (("spec", "cutout", "shadow"), lambda record: record.spec.cutout.shadow),
        (("analysis", "framing"), lambda record: record.analysis.framing),
        (("analysis", "preset_reason"), lambda record: record.analysis.preset_reason),
        (("analysis", "prompt_read", "why"), lambda record: record.analysis.prompt_read.why),
    ],
)
def test_a_record_keeps_the_words_of_another_version(path: Path, read_as: Any) -> None:
    error = {"code": "model_error", "message": "m"}
    told = {"preset_reason": "default", "framing": "whole", "prompt_read": READ}
    document = document_with({path: "other"}, spec=CUT, error=error, analysis=told)
    record = read(JobRecord, document)
    assert read_as(record) == "other"
    assert record.document() == document


def test_members_of_another_version_are_passed_over() -> None:
    places: list[Path] = [(), ("spec",), ("spec", "cutout"), ("source",), ("quota",)]
    later = {(*place, "later"): {"a": 1} for place in places}
    record = read(JobRecord, document_with(later, job_id="job-1", spec=CUT))
    assert record == make_record("job-1", spec=CUT)


def test_what_is_sent_and_what_models_answer_stays_closed() -> None:
    record = make_record()
    with pytest.raises(ValidationError):
        JobRecord.model_validate(record.document() | {"status": "paused"})
    with pytest.raises(ValidationError):
        JobRecord.model_validate(document_with({("spec", "later"): 1}))
    told = ModelAnswer.model_validate({"analysis": {"framing": "folded"}, "metrics": {"a": 1}})
    assert told.analysis is None and told.metrics == {"a": 1.0}


def test_an_unreadable_document_is_named_and_not_told() -> None:
    changes: dict[Path, Any] = {("created_at",): "soon", ("spec", "prompt"): ["SECRET"]}
    with pytest.raises(Unreadable) as caught:
        read(JobRecord, document_with(changes, job_id="job-1"))
    assert caught.value.id == "job-1"
    assert str(caught.value) == "JobRecord job-1 cannot be read: created_at, spec.prompt"
    assert caught.value.__context__ is None and caught.value.__cause__ is None


async def test_of_many_the_others_are_read_and_the_log_says_so_once() -> None:
    documents = [{"_id": n, "word": "one"} for n in range(3)]
    documents[0]["word"] = 7

    async def cursor() -> Any:
        for document in documents:
            yield document

    with capture_logs() as logs:
        for _ in range(3):
            assert len(await all_readable(Kept, cursor())) == 2
            assert isinstance(try_read(Kept, documents[0]), Unreadable)
    assert [(line["event"], line["id"]) for line in logs] == [("document_unreadable", "0")]


def test_a_record_of_before_schema_versions_is_of_the_first() -> None:
    document = document_with({})
    del document["schema_version"]
    assert read(JobRecord, document).may_run
    assert not read(JobRecord, document_with({("schema_version",): 99})).may_run


def closed_words(kind: Any, *, kept: bool = False) -> Iterator[Any]:
    """The closed lists in a type that would refuse a word of another version."""
    if get_origin(kind) is Annotated:
        inner, *metadata = get_args(kind)
        yield from closed_words(inner, kept=kept or KEPT in metadata)
    elif get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        if not kept:
            yield kind
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, hint in get_type_hints(kind, include_extras=True).items():
            if name in kind.model_fields:
                yield from closed_words(hint)
    else:
        for part in get_args(kind):
            yield from closed_words(part)


@pytest.mark.parametrize(
    "stored",
    [
        JobRecord,
        AcceptedKey,
        ApiKey,
        Batch,
        Delivery,
        ExpiredJob,
        Invitation,
        LiveResource,
        LogEntry,
        Member,
        Person,
        SchedulerSnapshot,
        AccountSession,
        Upload,
        Webhook,
        Workspace,
    ],
)
def test_no_stored_word_is_refused(stored: type[BaseModel]) -> None:
    assert list(closed_words(Plain)) == [Word, Word, Status]
    assert list(closed_words(stored)) == []
