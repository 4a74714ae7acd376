"""The command `imagerift-platform`: what is started, shown and stopped on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from imagerift_local.board import open_board
from imagerift_local.demo import DEMO_PLANS, SAMPLE, describe_demo, load_demo
from imagerift_local.errors import PlatformError
from imagerift_local.layout import DataFolder
from imagerift_local.machine import check_machine
from imagerift_local.platform import provision as provision_platform
from imagerift_local.platform import run
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.diffusion import provision_diffusion
from imagerift_local.provision.programs import PROGRAMS
from imagerift_local.provision.programs import provision as provision_program
from imagerift_local.provision.triton import provision_triton
from imagerift_local.provision.weights import TOOL, weights_folder
from imagerift_local.secrets import load_secrets
from imagerift_local.settings import CHECKOUT, PlatformSettings
from imagerift_local.state import format_parts, parse_environment, read_state, running_pid


class Commands(TyperGroup):
    """Commands that a PlatformError ends with its text."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except PlatformError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Commands,
    help="The embedded platform: every server of ImageRift on this machine.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of databases, secrets and logs.")
]
Only = Annotated[
    str | None, typer.Option("--only", help="Parts to start, with commas between them.")
]
PortBase = Annotated[
    str | None,
    typer.Option("--port-base", help="First of consecutive ports, or `auto` for free ones."),
]
STOP_TIMEOUT = 120.0
CLIENT_VARIABLES = ("KUBECONFIG", "IMAGERIFT_API_URL")
ADMIN_VARIABLES = ("IMAGERIFT_ADMIN_TOKEN", "IMAGERIFT_MONGO_URL", "IMAGERIFT_MONGO_DATABASE")


def read_settings(**overrides: Any) -> PlatformSettings:
    """The settings from the environment; options that were given win.

    Raises:
        PlatformError: a value is not allowed; the text names the setting.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return PlatformSettings(**given)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in entry['loc'])}: {entry['msg']}"
            for entry in error.errors()
        )
        raise PlatformError(f"settings: {problems}") from None


@app.command()
def up(data_dir: DataDir = None, only: Only = None, port_base: PortBase = None) -> None:
    """Start every part, show them, and stop them all on Ctrl-C."""
    check_machine()
    settings = read_settings(data_dir=data_dir, only=only, port_base=port_base)
    asyncio.run(run(settings, open_board()))


@app.command()
def provision(only: Only = None) -> None:
    """Fetch or build every part into the cache, without starting anything."""
    check_machine()
    settings = read_settings(only=only)
    with open_board() as board:
        asyncio.run(provision_platform(settings, board))


@app.command()
def down(data_dir: DataDir = None) -> None:
    """Stop the platform that runs in the data folder, and wait until it is gone."""
    data = _data_folder(data_dir)
    pid = running_pid(data)
    if pid is None:
        typer.echo(f"No platform runs in {data.root}.")
        return
    stop(pid)
    typer.echo("Stopped.")


@app.command()
def reset(
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all data: jobs, images, keys and secrets. The cache of programs stays."""
    data = _data_folder(data_dir)
    if not data.root.exists():
        typer.echo(f"There is nothing in {data.root}.")
        return
    if not yes:
        typer.confirm(f"Delete everything in {data.root}?", abort=True)
    pid = running_pid(data)
    if pid is not None:
        stop(pid)
    ours = data.secrets.exists() or data.lock.exists() or not any(data.root.iterdir())
    if not ours:
        raise PlatformError(f"{data.root} holds no platform's data: delete it by hand")
    shutil.rmtree(data.root)
    typer.echo(f"Deleted {data.root}.")


@app.command()
def status(
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show every part; the exit code is 0 when the platform is ready."""
    data = _data_folder(data_dir)
    state = read_state(data) if running_pid(data) is not None else None
    if as_json:
        typer.echo(json.dumps(state or {"ready": False, "parts": {}}, indent=2))
    elif state is None:
        typer.echo(f"No platform runs in {data.root}.")
    else:
        typer.echo(format_parts(state["parts"]))
        if "triton" in state["parts"] and data.networks.exists():
            typer.echo(data.networks.read_text())
        typer.echo("Keys, password and example calls: imagerift-platform demo")
    raise typer.Exit(0 if state is not None and state["ready"] else 1)


@app.command()
def demo(data_dir: DataDir = None) -> None:
    """Print the demo workspaces' keys, the account page's password and the example calls again."""
    data = _data_folder(data_dir)
    accounts = load_demo(data.demo)
    if not accounts.keys() >= set(DEMO_PLANS):
        raise PlatformError(f"there are no demo accounts in {data.root} yet: run `make up`")
    api_url = _variables(data)["IMAGERIFT_API_URL"]
    password = load_secrets(data.secrets).demo_password
    typer.echo(describe_demo(accounts, password, api_url, CHECKOUT / SAMPLE))


@app.command()
def env(
    data_dir: DataDir = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Also what `imagerift admin` needs: secrets.")
    ] = False,
) -> None:
    """Print lines for `eval`, so that kubectl and imagerift work on this platform."""
    data = _data_folder(data_dir)
    stored = _variables(data)
    kubectl = provision_program(PROGRAMS["kubectl"], _workshop()).files["kubectl"]
    folders = [str(kubectl.parent), str(Path(sys.executable).parent)]
    path = os.environ.get("PATH", "")
    added = [entry for entry in folders if entry not in {"", ".", *path.split(":")}]
    names = (*CLIENT_VARIABLES, *(ADMIN_VARIABLES if admin else ()))
    variables = {name: stored[name] for name in names}
    account = load_demo(data.demo).get(DEMO_PLANS[0])
    if account is not None:
        variables["IMAGERIFT_API_KEY"] = account.token
    variables["PATH"] = ":".join([*added, path])
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command("models-python")
def models_python(
    diffusion: Annotated[
        bool, typer.Option("--diffusion", help="The one with PyTorch, for the diffusion model.")
    ] = False,
) -> None:
    """Print the Python of the models' environment, for their tests and tools."""
    provision = provision_diffusion if diffusion else provision_triton
    typer.echo(provision(_workshop()).files["python"])


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def weights(context: typer.Context) -> None:
    """List the models' networks, `pull` better ones, `add` files of your own; --help tells more."""
    python = str(provision_triton(_workshop()).files["python"])
    folder = str(weights_folder(read_settings()))
    command = [python, str(TOOL), "--folder", folder, *(context.args or ["list"])]
    os.execv(python, command)  # noqa: S606


def _workshop() -> Workshop:
    cache = Cache(read_settings().cache_dir.absolute())
    return Workshop(cache, Debian(cache.root), lambda _: None)


def _variables(data: DataFolder) -> dict[str, str]:
    try:
        return parse_environment(data.environment.read_text())
    except OSError:
        raise PlatformError(f"no platform was started in {data.root} yet: run `make up`") from None


def _data_folder(data_dir: Path | None) -> DataFolder:
    return DataFolder(read_settings(data_dir=data_dir).data_dir.absolute())


def stop(pid: int) -> None:
    """Asks a process to end and waits until it has.

    Raises:
        PlatformError: it does not.
    """
    deadline = time.monotonic() + STOP_TIMEOUT
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.send_signal(signal.SIGTERM)
        # A zombie has ended; its own parent has not looked yet.
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                raise PlatformError(f"process {pid} did not stop in {STOP_TIMEOUT:.0f} s")
            time.sleep(0.05)
