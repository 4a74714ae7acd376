"""One run of the platform, from an empty machine to the stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator

from imagerift_local.board import Board
from imagerift_local.data_versions import DataVersions
from imagerift_local.demo import (
    DEMO_PLANS,
    SAMPLE,
    DemoAccount,
    describe_commands,
    describe_demo,
    ensure_demo,
)
from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private
from imagerift_local.layout import DataFolder
from imagerift_local.ports import check_ports, choose_ports, chosen_ports
from imagerift_local.provision.commands import cancel_commands
from imagerift_local.provision.everything import provision_everything
from imagerift_local.provision.routes import Provision
from imagerift_local.secrets import load_secrets
from imagerift_local.settings import CHECKOUT, PlatformSettings, started_parts, wanted_parts
from imagerift_local.stack import Stack
from imagerift_local.state import format_environment, owned, write_state
from imagerift_local.supervisor import Status, Supervisor, become_subreaper, first_of


async def provision(
    settings: PlatformSettings, board: Board, data: DataVersions | None = None
) -> dict[str, Provision]:
    """Finds or makes what this start needs; with `data` only what can open them.

    Raises:
        PlatformError: a part cannot be had.
    """
    ticker = asyncio.create_task(_tick(board))
    try:
        return await provision_everything(settings, board.progress, data)
    except asyncio.CancelledError:
        # The threads end with the programs that they wait for.
        cancel_commands()
        raise
    finally:
        ticker.cancel()
        board.provisioned()


async def run(settings: PlatformSettings, board: Board) -> None:
    """Runs the platform until SIGINT, SIGTERM or SIGHUP.

    Raises:
        PlatformError: it cannot be started, or a part was given up.
    """
    data = DataFolder(settings.data_dir.absolute())
    data.create()
    with owned(data, os.getpid()):
        become_subreaper()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        with board:
            await first_of(_run_owned(settings, data, board), stop.wait())


async def _run_owned(settings: PlatformSettings, data: DataFolder, board: Board) -> None:
    ports = choose_ports(settings.port_base, chosen_ports(), data.ports)
    check_ports(ports, started_parts(settings))
    versions = DataVersions(data)
    provisions = await provision(settings, board, versions)
    # The preparation may have taken minutes.
    check_ports(ports, started_parts(settings))
    # The cancel flags of an earlier run.
    shutil.rmtree(data.control, ignore_errors=True)
    data.create()
    stack = Stack(settings, data, ports, load_secrets(data.secrets), provisions)
    versions.record({name: found.version for name, found in provisions.items()})
    write_private(data.environment, format_environment(stack.environment()))
    async with _supervised(stack, board) as supervisor:
        accounts = await _start(stack, supervisor)
        supervisor.settled = True
        write_state(data, supervisor.statuses, ready=True)
        if accounts:
            password = stack.secrets.demo_password
            board.say(describe_demo(accounts, password, stack.api_url, CHECKOUT / SAMPLE))
            board.say(describe_commands(data.root))
            if shutil.which("curl") is None:
                board.say("curl is not on this machine yet: apt-get install curl\n")
        board.say(f"ImageRift is ready; its data and logs are in {data.root}")
        await supervisor.wait_failed()


@contextlib.asynccontextmanager
async def _supervised(stack: Stack, board: Board) -> AsyncIterator[Supervisor]:
    def show(status: Status) -> None:
        board.part(status)
        write_state(stack.data, supervisor.statuses, ready=supervisor.settled)

    supervisor = Supervisor(stack.build_parts(), show, start_timeout=stack.settings.start_timeout)
    for status in supervisor.statuses.values():
        show(status)
    try:
        yield supervisor
    finally:
        await supervisor.stop()
        write_state(stack.data, supervisor.statuses, ready=False)


async def _start(stack: Stack, supervisor: Supervisor) -> dict[str, DemoAccount]:
    wanted = wanted_parts(stack.settings)
    if not {"mongod", "api"} <= wanted:
        await supervisor.start()
        return {}
    try:
        async with asyncio.TaskGroup() as group:
            demo = group.create_task(_make_demo(stack, supervisor))
            await supervisor.start()
    except* PlatformError as failed:
        raise failed.exceptions[0] from None
    accounts = demo.result()
    if "kube-apiserver" in wanted:
        async with stack.cluster() as cluster:
            await cluster.bind_workspaces([accounts[plan].workspace_id for plan in DEMO_PLANS])
    return accounts


async def _make_demo(stack: Stack, supervisor: Supervisor) -> dict[str, DemoAccount]:
    await supervisor.wait_ready("api")
    return await ensure_demo(stack.data.demo, stack.environment())


async def _tick(board: Board) -> None:
    while True:
        board.tick()
        await asyncio.sleep(1.0)
