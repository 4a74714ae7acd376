"""An admission webhook on loopback that refuses writes of one object, as a policy does."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

from tests.platform_under_test import PlatformUnderTest

LABEL = "imagerift.dev/chaos"


class Policy:
    """Refuses one operation of one object, the first that is seen after `refuse`.

    An operation is `CREATE`, `DELETE` or `STATUS`.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._operation = ""
        self._name = ""
        self._deciding = threading.Lock()

    def refuse(self, operation: str, name: str = "") -> None:
        """`name` where it is to be this object, else the next one."""
        with self._deciding:
            self._operation, self._name, self.refused = operation, name, 0

    def allow(self) -> None:
        self.refuse("")

    def decide(self, request: dict[str, Any]) -> bool:
        """Whether an AdmissionReview's request is allowed."""
        operation = "STATUS" if request.get("subResource") == "status" else request["operation"]
        with self._deciding:
            if operation != self._operation:
                return True
            self._name = self._name or request["name"]
            self.refused += self._name == request["name"]
            return bool(self._name != request["name"])


@contextmanager
def refusing_webhook(platform: PlatformUnderTest, namespace: str) -> Iterator[Policy]:
    """Registers a webhook for the GenerationJobs of a namespace, and answers for it."""
    policy = Policy()
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            allowed = policy.decide(review["request"])
            answer: dict[str, Any] = {"uid": review["request"]["uid"], "allowed": allowed}
            if not allowed:
                answer["status"] = {"code": 403, "message": "a policy protects this object"}
            body = json.dumps(review | {"request": None, "response": answer}).encode()
            # An API server that was killed meanwhile waits for no answer.
            with suppress(OSError):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made = _configuration(namespace, server.server_address[1], authority.cert_pem.bytes())
    platform.run("kubectl", "label", "namespace", namespace, f"{LABEL}={namespace}")
    platform.run("kubectl", "apply", "-f", "-", stdin=json.dumps(made))
    try:
        yield policy
    finally:
        platform.run("kubectl", "delete", "validatingwebhookconfiguration", namespace, check=False)
        server.shutdown()
        thread.join()
        server.server_close()


def _configuration(namespace: str, port: int, authority: bytes) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "policy.chaos.imagerift.dev",
                "clientConfig": {
                    "url": f"https://127.0.0.1:{port}/",
                    "caBundle": base64.b64encode(authority).decode(),
                },
                "rules": [
                    {
                        "apiGroups": ["imagerift.dev"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE", "DELETE"],
                        "resources": ["generationjobs", "generationjobs/status"],
                        "scope": "Namespaced",
                    }
                ],
                "namespaceSelector": {"matchLabels": {LABEL: namespace}},
                # Where it does not answer, as when all is over, nothing is refused.
                "failurePolicy": "Ignore",
                "timeoutSeconds": 2,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
