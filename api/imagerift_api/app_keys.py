"""The keys under which an application and its requests carry what handlers need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from imagerift_core.jobs import JobRecord
from imagerift_core.mongo.rate_limit import RateWindow

from imagerift_api.auth.keys import Caller
from imagerift_api.auth.sessions import SignedIn
from imagerift_api.http.traffic import Traffic
from imagerift_api.metrics import Metrics
from imagerift_api.pages.previews import Previews
from imagerift_api.settings import ApiSettings

if TYPE_CHECKING:
    from imagerift_api.context import ProcessContext

SETTINGS = web.AppKey("settings", ApiSettings)
TRAFFIC = web.AppKey("traffic", Traffic)
PREVIEWS = web.AppKey("previews", Previews)
METRICS = web.AppKey("metrics", Metrics)
CONTEXT: web.AppKey[ProcessContext] = web.AppKey("context")

REQUEST_ID = web.RequestKey("request_id", str)
CALLER = web.RequestKey("caller", Caller)
SIGNED_IN = web.RequestKey("signed_in", SignedIn)
RATE_WINDOW = web.RequestKey("rate_window", RateWindow)
POLLED_JOB: web.RequestKey[JobRecord | None] = web.RequestKey("polled_job")
