"""The command `imagerift-node`: up, down, enter, load, save and provision."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import IO, Annotated, cast

import typer
from imagerift_local.cli import Commands, stop
from imagerift_local.errors import PlatformError
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_local.settings import PlatformSettings
from imagerift_local.state import running_pid
from platformdirs import user_data_path

from imagerift_node import outside
from imagerift_node.cgroups import remove_groups
from imagerift_node.images.build import build_images
from imagerift_node.layout import CONTAINERD_SOCKET, NodeFolder
from imagerift_node.machine import check_machine

app = typer.Typer(
    cls=Commands,
    help="A real Kubernetes node on this machine, in namespaces of its own.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
DataDir = Annotated[
    Path, typer.Option("--data-dir", help="Folder of the cluster, images, volumes and logs.")
]
Names = Annotated[list[str] | None, typer.Argument(help="Images; all when none is named.")]
DEFAULT_DATA_DIR = user_data_path("imagerift-node")


@app.command()
def up(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Start the node and keep it until Ctrl-C."""
    check_machine("A node")
    asyncio.run(outside.run(NodeFolder(data_dir.absolute()), _cache(), _say))


@app.command()
def down(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop the node that runs in the data folder, and wait until it is gone."""
    data = NodeFolder(data_dir.absolute())
    pid = running_pid(data.control_plane)
    if pid is None:
        # All that a node that was killed leaves.
        remove_groups(data.cgroup)
        _say(f"No node runs in {data_dir}.")
        return
    stop(pid)
    _say("Stopped.")


@app.command("enter", context_settings={"ignore_unknown_options": True})
def enter(command: list[str], data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Run a command inside the node's namespaces."""
    line = outside.enter(NodeFolder(data_dir.absolute()), command)
    os.execvp(line[0], line)  # noqa: S606 (it takes this program's place)


@app.command()
def load(names: Names = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Build images without a container engine and import them into the running node."""
    import_all = ["ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images", "import"]
    command = outside.enter(NodeFolder(data_dir.absolute()), [*import_all, "-"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        # A pipe was asked for, so there is one.
        built = build_images(_workshop(), names or [], cast(IO[bytes], process.stdin))
    if process.returncode != 0:
        raise PlatformError(f"containerd did not take the images ({process.returncode})")
    for name in built:
        _say(name)


@app.command()
def save(
    archive: Annotated[Path, typer.Argument(help="The docker-archive (tar) to write.")],
    names: Names = None,
) -> None:
    """Build images without a container engine into one file, for any other container engine."""
    try:
        with archive.open("wb") as file:
            for name in build_images(_workshop(), names or [], file):
                _say(name)
    except OSError as error:
        raise PlatformError(str(error)) from error


@app.command()
def provision() -> None:
    """Fetch or build the node's programs into the cache."""
    check_machine("A node")
    outside.provision(_cache(), _say)


def _cache() -> Cache:
    return Cache(PlatformSettings().cache_dir.absolute())


def _workshop() -> Workshop:
    cache = _cache()
    return Workshop(cache, Debian(cache.root), _say)


def _say(line: str) -> None:
    typer.echo(line)


if __name__ == "__main__":
    app()
