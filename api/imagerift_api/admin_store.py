"""`imagerift admin store …`: the database's form, its backup and the rehearsal of a restore."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer
from imagerift_core import clock
from imagerift_core.clock import rfc3339
from imagerift_core.mongo import Database
from imagerift_core.mongo.archive import Archive
from imagerift_core.mongo.migrations import DATABASE_VERSION, Form, Migrations, Process

if TYPE_CHECKING:
    from collections.abc import Iterator

# Runs work on the database of the settings, and prints a document.
WithDatabase = Callable[[Callable[[Database], Awaitable[Any]]], Any]
Print = Callable[[Any], None]

_FILE = Annotated[str, typer.Option("--file", help="The archive; - for standard input or output.")]


def store_app(with_database: WithDatabase, print_document: Print) -> typer.Typer:
    """The commands, which run and print as the other commands do."""
    app = typer.Typer(help="The database: its form, backup and restore.", no_args_is_help=True)

    @app.command("status")
    def status() -> None:
        """Show the database's form, and the processes that work on it."""

        async def look(database: Database) -> Any:
            migrations = Migrations(database)
            return _form(await migrations.form()) | {
                "release": DATABASE_VERSION,
                "processes": [_process(each) for each in await migrations.processes(clock.now())],
            }

        print_document(with_database(look))

    @app.command("contract")
    def contract() -> None:
        """Take away what only older releases need, once none of their processes is left."""
        print_document(
            _form(with_database(lambda database: Migrations(database).contract(clock.now())))
        )

    @app.command("back")
    def back(
        to: Annotated[int, typer.Option("--to", min=1, help="Form of the release to go back to.")],
    ) -> None:
        """Make again what an older release needs, before it is started."""
        print_document(_form(with_database(lambda database: Migrations(database).back(to))))

    @app.command("backup")
    def backup(file: _FILE) -> None:
        """Write the whole database of one moment into a file."""
        with _written(file) as target:
            kept = with_database(lambda database: Archive(database).back_up(target))
        if file == "-":
            sys.stderr.write(f"{kept}\n")
        else:
            print_document(asdict(kept) | {"bytes": Path(file).stat().st_size})

    @app.command("restore")
    def restore(file: _FILE) -> None:
        """Put a file back into the settings' database, which has to be empty."""
        with _read(file) as source:
            print_document(
                asdict(with_database(lambda database: Archive(database).put_back(source)))
            )

    @app.command("drill")
    def drill(file: _FILE) -> None:
        """Rehearse a restore beside the live database, and audit it. Exit code 1 as for audit."""
        with _read(file) as source:
            told = with_database(lambda database: Archive(database).rehearse(source))
        print_document(told)
        if told["differences"]:
            raise typer.Exit(1)

    return app


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
