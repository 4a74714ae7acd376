"""What the operator's servers call themselves."""

from __future__ import annotations

from wsgiref import simple_server

from aiohttp import web_response

NAME = "ImageRift"


def name_servers() -> None:
    """Has every answer of this process name the product alone: no version, no framework.

    Neither server, Kopf's for the probes and the metrics', has a setting for it.
    """
    setattr(web_response, "SERVER_SOFTWARE", NAME)  # noqa: B010 - it is not exported
    simple_server.ServerHandler.server_software = NAME
