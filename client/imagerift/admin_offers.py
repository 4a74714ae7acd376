"""`imagerift admin plan …` and `imagerift admin mode …`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from imagerift import admin_calls
from imagerift.admin_sending import refuse, sent
from imagerift.connection import DEFAULT_URL
from imagerift.console import EXIT_USAGE, print_json
from imagerift.options import Url

_Name = Annotated[str, typer.Option("--name", help="Its name.")]
_File = Annotated[
    str,
    typer.Option("--file", help="The whole of it as JSON, as in the chart's values; - for stdin."),
]


def offer_commands(kind: str) -> typer.Typer:
    """The commands of plans or of modes; `kind` is one of them."""
    app = typer.Typer(
        help=f"{kind.capitalize()}s: those of the installation's files, and others.",
        no_args_is_help=True,
    )

    @app.command("list", help=f"List every {kind}.")
    def list_all(url: Url = DEFAULT_URL) -> None:
        print_json(sent(url, admin_calls.list_offers(kind))["data"])

    @app.command("set", help=f"Add a {kind}, change it, or put one in the place of the files' own.")
    def put(name: _Name, file: _File, url: Url = DEFAULT_URL) -> None:
        print_json(sent(url, admin_calls.put_offer(kind, name, _read(file))))

    @app.command("delete", help=f"Take away a {kind} that was added; one that is used stays.")
    def end(name: _Name, url: Url = DEFAULT_URL) -> None:
        print_json(sent(url, admin_calls.end_offer(kind, name)))

    @app.command("release", help=f"Take a {kind} from its resource, as when that was lost.")
    def release(name: _Name, url: Url = DEFAULT_URL) -> None:
        print_json(sent(url, admin_calls.release_offer(kind, name)))

    return app


def _read(file: str) -> dict[str, Any]:
    try:
        content = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text())
    except (OSError, ValueError) as error:
        refuse(f"{file}: {error}", EXIT_USAGE)
    if not isinstance(content, dict):
        refuse(f"{file}: it holds no JSON object", EXIT_USAGE)
    return content
