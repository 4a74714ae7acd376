"""The application: middlewares, routes and what they work with; and that of the metrics' port."""

from __future__ import annotations

from aiohttp import web
from imagerift_core.loops import Loops
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from imagerift_api.account import routes as account_routes
from imagerift_api.administration import routes as administration_routes
from imagerift_api.administrators import routes as administrator_routes
from imagerift_api.api_keys import routes as api_key_routes
from imagerift_api.background import LOOPS
from imagerift_api.batches import routes as batch_routes
from imagerift_api.catalogue import routes as catalogue_routes
from imagerift_api.context import open_context
from imagerift_api.health import routes as health_routes
from imagerift_api.http import middlewares
from imagerift_api.http.compression import compress_answers
from imagerift_api.http.operations import add_operations
from imagerift_api.http.requests_in_flight import REQUESTS_IN_FLIGHT, RequestsInFlight
from imagerift_api.http.security_headers import security_headers
from imagerift_api.jobs import event_routes, submit_routes
from imagerift_api.jobs import routes as job_routes
from imagerift_api.members import routes as member_routes
from imagerift_api.metrics import METRICS, Metrics
from imagerift_api.modes import routes as mode_routes
from imagerift_api.openapi import routes as openapi_routes
from imagerift_api.openapi.published import publish
from imagerift_api.overview import routes as overview_routes
from imagerift_api.pages import problem_routes
from imagerift_api.pages import routes as page_routes
from imagerift_api.pages.errors import error_page
from imagerift_api.pages.previews import PREVIEWS, Previews
from imagerift_api.settings import SETTINGS, ApiSettings
from imagerift_api.sign_in import routes as sign_in_routes
from imagerift_api.uploads import routes as upload_routes
from imagerift_api.usage import routes as usage_routes
from imagerift_api.webhooks import routes as webhook_routes

# In the order in which the reference shows their operations.
_ROUTES = (
    submit_routes,
    job_routes,
    event_routes,
    batch_routes,
    upload_routes,
    usage_routes,
    mode_routes,
    openapi_routes,
    health_routes,
    sign_in_routes,
    account_routes,
    api_key_routes,
    member_routes,
    overview_routes,
    webhook_routes,
    administration_routes,
    catalogue_routes,
    administrator_routes,
)


def build_application(settings: ApiSettings, metrics: Metrics) -> web.Application:
    application = web.Application(
        middlewares=[
            middlewares.observe,
            compress_answers,
            middlewares.answer_problems(error_page),
            middlewares.take_ids_in_any_case,
        ]
    )
    application[SETTINGS] = settings
    application[METRICS] = metrics
    application[LOOPS] = Loops()
    application[PREVIEWS] = Previews()
    application[REQUESTS_IN_FLIGHT] = RequestsInFlight()
    application.on_response_prepare.append(middlewares.add_headers)
    application.on_response_prepare.append(security_headers(https=settings.is_https))
    application.cleanup_ctx.append(open_context)
    for part in _ROUTES:
        add_operations(application, part.OPERATIONS)
    for part in (sign_in_routes, page_routes, problem_routes):
        part.add_pages(application)
    publish(application)
    return application


def build_metrics_application(metrics: Metrics, loops: Loops) -> web.Application:
    """What is no customer's business: the figures, and whether the process is to be begun anew."""

    async def scrape(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def livez(_request: web.Request) -> web.Response:
        dying = loops.dying
        return web.json_response({"dying": dying}, status=503 if dying else 200)

    application = web.Application()
    application.on_response_prepare.append(security_headers(https=False))
    application.router.add_get("/metrics", scrape)
    application.router.add_get("/livez", livez)
    return application
