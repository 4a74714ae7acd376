"""The catalogue that the process keeps up, as routes find it."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.catalogue import Catalogue

CATALOGUE = web.AppKey("catalogue", Catalogue)
