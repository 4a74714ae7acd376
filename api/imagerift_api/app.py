"""The application: middlewares, routes and the context they work in."""

from __future__ import annotations

from aiohttp import web

from imagerift_api import app_keys
from imagerift_api.account import overview_routes as account_overview
from imagerift_api.account import routes as account
from imagerift_api.api_keys import routes as account_keys
from imagerift_api.batches import routes as batches
from imagerift_api.context import open_context
from imagerift_api.health import routes as health
from imagerift_api.http import middlewares
from imagerift_api.http.compression import compress_answers
from imagerift_api.http.security_headers import security_headers
from imagerift_api.http.traffic import Traffic
from imagerift_api.jobs import event_routes as job_events
from imagerift_api.jobs import routes as jobs
from imagerift_api.jobs import submit_routes as generate
from imagerift_api.members import routes as account_members
from imagerift_api.metrics import Metrics
from imagerift_api.modes import routes as modes
from imagerift_api.openapi import routes as reference
from imagerift_api.pages import problem_routes as problem_pages
from imagerift_api.pages import routes as pages
from imagerift_api.pages.previews import Previews
from imagerift_api.settings import ApiSettings
from imagerift_api.sign_in import routes as sign_in
from imagerift_api.uploads import routes as uploads
from imagerift_api.usage import routes as usage
from imagerift_api.webhooks import routes as webhooks

_JOB_ROUTES = (generate, jobs, job_events, batches, uploads, usage, modes)
_ACCOUNT_ROUTES = (
    sign_in,
    account,
    account_keys,
    account_members,
    account_overview,
    webhooks,
    pages,
    problem_pages,
)


def build_application(settings: ApiSettings, metrics: Metrics) -> web.Application:
    application = web.Application(
        middlewares=[
            middlewares.observe,
            compress_answers,
            middlewares.answer_problems,
            middlewares.take_ids_in_any_case,
        ]
    )
    application[app_keys.SETTINGS] = settings
    application[app_keys.METRICS] = metrics
    application[app_keys.PREVIEWS] = Previews()
    application[app_keys.TRAFFIC] = Traffic()
    application.on_response_prepare.append(middlewares.add_headers)
    application.on_response_prepare.append(security_headers(https=settings.is_https))
    application.cleanup_ctx.append(open_context)
    for part in (*_JOB_ROUTES, reference, health, *_ACCOUNT_ROUTES):
        part.add_routes(application)
    return application
