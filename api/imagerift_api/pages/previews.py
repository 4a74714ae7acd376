"""A small picture of every shipped mode and preset, as files that anyone may load."""

from __future__ import annotations

from html import escape

from aiohttp import web
from imagerift_core.modes import Modes

from imagerift_api.pages.documents import Asset, load_folder

PATH = "/previews"


class Previews:
    """The pictures by file name: `MODE.jpg`, `MODE-PRESET.jpg`."""

    def __init__(self) -> None:
        self.files: dict[str, Asset] = load_folder("previews")

    def of_preset(self, mode: str, preset: str) -> str | None:
        """The path of a preset's picture, None for one that is not shipped."""
        return self._path(f"{mode}-{preset}.jpg")

    def of_mode(self, mode: str, presets: list[str]) -> str | None:
        """The path of a mode's own picture, else of its first preset that has one."""
        shown = [self._path(f"{mode}.jpg"), *(self.of_preset(mode, name) for name in presets)]
        return next((path for path in shown if path is not None), None)

    def looks(self, modes: Modes) -> str:
        """HTML with the picture of each preset that has one, and of each mode without presets."""
        shown = [
            (mode, preset, self.of_preset(mode, preset))
            for mode, description in modes.items()
            for preset in description.presets
        ]
        shown += [
            (mode, mode, self.of_mode(mode, []))
            for mode, description in modes.items()
            if not description.presets
        ]
        items = "".join(
            f'<li><img src="{path}" width="192" height="192" loading="lazy" alt="">'
            f"<code>{escape(name)}</code><span>{escape(mode)}</span></li>"
            for mode, name, path in shown
            if path is not None
        )
        return f'<ul class="looks">{items}</ul>' if items else ""

    def _path(self, name: str) -> str | None:
        return f"{PATH}/{name}" if name in self.files else None


PREVIEWS = web.AppKey("previews", Previews)
