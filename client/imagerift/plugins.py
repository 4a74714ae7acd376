"""Commands that other installed packages add, loaded only when one of them is named."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from imagerift.console import EXIT_USAGE, say


class PluginGroup(TyperGroup):
    """The root command: its own commands, then those of the entry points of `added_by`."""

    added_by: ClassVar[str] = "imagerift.commands"
    # What to say where ImageRift's own package with this command is not installed.
    missing: ClassVar[dict[str, str]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *sorted(_plugins(self.added_by))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        plugin = _plugins(self.added_by).get(cmd_name)
        if plugin is None:
            if cmd_name in self.missing and not ctx.resilient_parsing:
                say(f"error: {self.missing[cmd_name]}")
                raise typer.Exit(EXIT_USAGE)
            return None
        command = typer.main.get_command(plugin.load())
        command.name = cmd_name
        return command


class AdminGroup(PluginGroup):
    """`imagerift admin`: its own commands, and those on the database that come with the API."""

    added_by = "imagerift.admin"
    missing: ClassVar[dict[str, str]] = {
        name: f"admin {name} works on the database itself; it comes with the API, in the package "
        "imagerift-api, which is not installed here; "
        f"on a cluster: kubectl exec deploy/imagerift-api -c api -- imagerift admin {name}"
        for name in ("audit", "store")
    }


def _plugins(group: str) -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=group)}
