"""The application: middlewares, routes and the context they work in."""

from __future__ import annotations

from aiohttp import web

from imagerift_api import app_keys, middlewares
from imagerift_api.compression import compress_answers
from imagerift_api.context import open_context
from imagerift_api.metrics import Metrics
from imagerift_api.pages.previews import Previews
from imagerift_api.routes import (
    account,
    account_keys,
    account_members,
    account_overview,
    batches,
    generate,
    health,
    job_events,
    jobs,
    modes,
    pages,
    problem_pages,
    reference,
    sign_in,
    uploads,
    usage,
    webhooks,
)
from imagerift_api.security_headers import security_headers
from imagerift_api.settings import ApiSettings
from imagerift_api.traffic import Traffic

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
