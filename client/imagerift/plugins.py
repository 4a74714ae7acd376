"""Commands that other installed packages add, loaded only when one of them is named."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from imagerift.console import EXIT_USAGE, say

GROUP = "imagerift.commands"
# What to say where ImageRift's own package with this command is not installed.
MISSING = {
    "admin": (
        "admin comes with the API, in the package imagerift-api, which is not installed here; "
        "on a cluster: kubectl exec deploy/imagerift-api -c api -- imagerift admin"
    )
}


class PluginGroup(TyperGroup):
    """The root command: its own commands, then those of the entry points of `GROUP`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *sorted(_plugins())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        plugin = _plugins().get(cmd_name)
        if plugin is None:
            if cmd_name in MISSING and not ctx.resilient_parsing:
                say(f"error: {MISSING[cmd_name]}")
                raise typer.Exit(EXIT_USAGE)
            return None
        command = typer.main.get_command(plugin.load())
        command.name = cmd_name
        return command


def _plugins() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=GROUP)}
