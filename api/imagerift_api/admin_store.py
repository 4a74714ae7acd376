"""`imagerift admin store …` and `imagerift admin audit`: what works on the database itself, so that
it asks for the database's address. JSON on standard output, nothing else."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, cast

import orjson
import typer
from imagerift_core import clock
from imagerift_core.clock import rfc3339
from imagerift_core.clock_watch import follow
from imagerift_core.errors import DomainError
from imagerift_core.mongo import Database, Stores, connect
from imagerift_core.mongo.archive import Archive
from imagerift_core.mongo.migrations import DATABASE_VERSION, Form, Migrations, Process
from pydantic import ValidationError

from imagerift_api.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

Result = TypeVar("Result")

_FILE = Annotated[str, typer.Option("--file", help="The archive; - for standard input or output.")]


store = typer.Typer(
    help="The database: its form, backup and restore.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
audit = typer.Typer(pretty_exceptions_show_locals=False)


@audit.command("audit")
def find_differences() -> None:
    """Recompute every quota counter from jobs and ledger. Exit code 1 where one differs."""
    differences = _with_database(lambda database: Stores(database).audit.differences())
    _print({"differences": [asdict(difference) for difference in differences]})
    if differences:
        raise typer.Exit(1)


@store.command("status")
def status() -> None:
    """Show the database's form, and the processes that work on it."""

    async def look(database: Database) -> Any:
        migrations = Migrations(database)
        return _form(await migrations.form()) | {
            "release": DATABASE_VERSION,
            "processes": [_process(each) for each in await migrations.processes(clock.now())],
        }

    _print(_with_database(look))


@store.command("contract")
def contract() -> None:
    """Take away what only older releases need, once none of their processes is left."""
    _print(_form(_with_database(lambda database: Migrations(database).contract(clock.now()))))


@store.command("back")
def back(
    to: Annotated[int, typer.Option("--to", min=1, help="Form of the release to go back to.")],
) -> None:
    """Make again what an older release needs, before it is started."""
    _print(_form(_with_database(lambda database: Migrations(database).back(to))))


@store.command("backup")
def backup(file: _FILE) -> None:
    """Write the whole database of one moment into a file."""
    with _written(file) as target:
        kept = _with_database(lambda database: Archive(database).back_up(target))
    if file == "-":
        sys.stderr.write(f"{kept}\n")
    else:
        _print(asdict(kept) | {"bytes": Path(file).stat().st_size})


@store.command("restore")
def restore(file: _FILE) -> None:
    """Put a file back into the settings' database, which has to be empty."""
    with _read(file) as source:
        _print(asdict(_with_database(lambda database: Archive(database).put_back(source))))


@store.command("drill")
def drill(file: _FILE) -> None:
    """Rehearse a restore beside the live database, and audit it. Exit code 1 as for audit."""
    with _read(file) as source:
        told = _with_database(lambda database: Archive(database).rehearse(source))
    _print(told)
    if told["differences"]:
        raise typer.Exit(1)


def _with_database(work: Callable[[Database], Awaitable[Result]]) -> Result:
    settings = _settings()

    async def run() -> Result:
        url = settings.mongo_url.get_secret_value()
        async with connect(url, settings.mongo_database, settings.mongo_tls) as database:
            await follow(database.time)
            return await work(database)

    try:
        return asyncio.run(run())
    except DomainError as error:
        _refuse(error.code, error.message)


def _settings() -> StoreSettings:
    try:
        return StoreSettings()
    except ValidationError as error:
        faults = [
            f"IMAGERIFT_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        way = 'on the embedded platform: eval "$(imagerift-platform env --admin)"'
        _refuse("settings_invalid", f"{'; '.join(faults)} ({way})", exit_code=2)


def _print(content: Any) -> None:
    sys.stdout.write(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n")


def _refuse(code: str, message: str, *, exit_code: int = 1) -> NoReturn:
    sys.stderr.write(f"{code}: {message}\n")
    raise typer.Exit(exit_code)


@contextmanager
def _written(file: str) -> Iterator[IO[bytes]]:
    """A new file, or standard output."""
    if file == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with _opened(file, "xb") as target:
        yield target


@contextmanager
def _read(file: str) -> Iterator[IO[bytes]]:
    """A file, or all of standard input, from its beginning."""
    if file != "-":
        with _opened(file, "rb") as source:
            yield source
        return
    with tempfile.TemporaryFile() as source:
        shutil.copyfileobj(sys.stdin.buffer, source)
        source.seek(0)
        yield source


def _opened(file: str, mode: str) -> IO[bytes]:
    try:
        return cast(IO[bytes], Path(file).open(mode))
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from error


def _form(form: Form) -> dict[str, Any]:
    return asdict(form)


def _process(process: Process) -> dict[str, Any]:
    return {
        "id": process.id,
        "kind": process.kind,
        "version": process.version,
        "seenAt": rfc3339(process.seen_at),
    }
