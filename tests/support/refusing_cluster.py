"""A policy of a real API server: it refuses some writes to GenerationJobs, in words of its own."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trustme
from aiohttp import web
from kubernetes.aio import client

from tests.support.server_processes import free_port

WORDS = "kept by a policy of the test"


class Policy:
    """Refuses `verb` of what is named in `names`, in one namespace; all else passes."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.names: set[str] = set()
        self.refused = 0

    async def review(self, request: web.Request) -> web.Response:
        """Answers one AdmissionReview."""
        asked = (await request.json())["request"]
        name = asked.get("name") or asked["object"]["metadata"]["name"]
        is_refused = asked["operation"] == self.verb and name in self.names
        self.refused += is_refused
        answer: dict[str, Any] = {"uid": asked["uid"], "allowed": not is_refused}
        if is_refused:
            answer["status"] = {"code": 403, "message": WORDS}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        return web.json_response(review | {"response": answer})


@asynccontextmanager
async def policy_on(
    administrator: client.ApiClient, namespace: str, verb: str
) -> AsyncIterator[Policy]:
    """Has the API server ask a policy, served on loopback, before it writes in the namespace."""
    policy, port = Policy(verb), free_port()
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    application = web.Application()
    application.router.add_post("/", policy.review)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    core = client.CoreV1Api(administrator)
    await core.patch_namespace(namespace, {"metadata": {"labels": {"policy-of": namespace}}})
    hooks = client.AdmissionregistrationV1Api(administrator)
    name = f"policy-{namespace}"
    bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
    hook = {
        "name": "policy.test.imagerift.dev",
        "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": bundle},
        "rules": [
            {
                "apiGroups": ["imagerift.dev"],
                "apiVersions": ["v1"],
                "resources": ["generationjobs"],
                "operations": [verb],
            }
        ],
        "namespaceSelector": {"matchLabels": {"policy-of": namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "timeoutSeconds": 10,
    }
    await hooks.create_validating_webhook_configuration(
        {"metadata": {"name": name}, "webhooks": [hook]}
    )
    try:
        yield policy
    finally:
        await hooks.delete_validating_webhook_configuration(name)
        await runner.cleanup()
