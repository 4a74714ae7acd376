"""Commands that other installed packages add, loaded only when one of them is named."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

GROUP = "imagerift.commands"


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
            return None
        command = typer.main.get_command(plugin.load())
        command.name = cmd_name
        return command


def _plugins() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=GROUP)}
