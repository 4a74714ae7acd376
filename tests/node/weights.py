"""Weights on the node: hosts that its pods download from, and the resources that name them."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import trustme
from anyio.from_thread import start_blocking_portal
from botocore.config import Config

from tests.node.release import NAMESPACE, RUNNERS, S3_PORT, Release
from tests.platform_under_test import wait_until
from tests.support.weights_hosts import Host, serving, sha256

BUCKET = "imagerift"
# As the values of the release name them.
AUTHORITY, STORE_ACCOUNT = "weights-authority", "weights-store"


def believed_authority(release: Release) -> trustme.CA:
    """An authority of the tests' own, which downloads in either namespace believe."""
    authority = trustme.CA()
    for namespace in (NAMESPACE, RUNNERS):
        release.node.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": AUTHORITY, "namespace": namespace},
                "data": {"ca.crt": authority.cert_pem.bytes().decode()},
            }
        )
    return authority


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """For a server of these names and addresses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@contextmanager
def host_of_files(
    release: Release, authority: trustme.CA, files: Mapping[str, bytes]
) -> Iterator[Host]:
    """A web server on this machine that the pods reach, of the authority that they believe."""
    address = release.node.machine
    served = serving(Host(dict(files)), certified(authority, address), address)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(served) as host:
        yield host


def put_into_store(release: Release, folder: str, files: Mapping[str, bytes]) -> None:
    """Puts the files below a folder of the release's own bucket."""
    account = _account(release)
    store = boto3.client(
        "s3",
        endpoint_url=f"http://{release.node.address}:{S3_PORT}",
        aws_access_key_id=account["s3-access-key"],
        aws_secret_access_key=account["s3-secret-key"],
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"},
            proxies={},
            request_checksum_calculation="when_required",
        ),
    )
    for path, content in files.items():
        store.put_object(Bucket=BUCKET, Key=f"{folder}{path}", Body=content)
    store.close()


def store_account(release: Release, namespace: str) -> None:
    """The Secret with which downloads of that namespace read the bucket."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": STORE_ACCOUNT, "namespace": namespace},
        "stringData": _account(release),
    }
    release.node.quietly("kubectl", "apply", "-f", "-", stdin=json.dumps(secret))


def from_store(name: str, folder: str, files: Mapping[str, bytes], **spec: Any) -> dict[str, Any]:
    """Weights in a folder of the bucket."""
    return _weights(
        name,
        f"s3://{BUCKET}/{folder}",
        files,
        s3={"endpoint": f"http://imagerift-s3.{NAMESPACE}.svc:8333"},
        secretName=STORE_ACCOUNT,
        **spec,
    )


def from_host(name: str, url: str, files: Mapping[str, bytes], **spec: Any) -> dict[str, Any]:
    """Weights that a web server has."""
    return _weights(name, f"{url}/", files, **spec)


@contextmanager
def weights(release: Release, manifest: dict[str, Any]) -> Iterator[None]:
    """The resource, gone with its volume in the end."""
    name = manifest["metadata"]["name"]
    release.node.apply(manifest)
    try:
        yield
    finally:
        release.node.kubectl("-n", release.namespace, "delete", "mw", name, "--ignore-not-found")
        claims = ("-n", release.namespace, "persistentvolumeclaims")
        wait_until(
            lambda: (
                not [
                    one
                    for one in release.node.get(*claims)["items"]
                    if one["metadata"]["name"].startswith(name)
                ]
            ),
            seconds=60,
            what=f"the volume of {name} is gone",
        )


def reason_of(release: Release, name: str) -> str:
    """Why weights are Ready or not, as one word."""
    status = release.node.get("-n", release.namespace, "mw", name).get("status", {})
    found = {one["type"]: one["reason"] for one in status.get("conditions", [])}
    return str(found.get("Ready", ""))


def wait_ready(release: Release, name: str) -> dict[str, Any]:
    """The weights' status once they are Ready."""
    node = release.node
    node.kubectl(
        *("-n", release.namespace, "wait", f"mw/{name}", "--for=condition=Ready", "--timeout=240s")
    )
    node.kubectl("-n", release.namespace, "get", "mw", name)
    status: dict[str, Any] = node.get("-n", release.namespace, "mw", name)["status"]
    return status


def _weights(name: str, source: str, files: Mapping[str, bytes], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "imagerift.dev/v1",
        "kind": "ModelWeights",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "source": source,
            "acceptLicence": "MIT",
            "storage": {"size": "1Gi"},
            "checksums": {path: sha256(content) for path, content in files.items()},
            **spec,
        },
    }


def _account(release: Release) -> dict[str, str]:
    held = release.node.get("-n", NAMESPACE, "secret", "imagerift-bundled")["data"]
    keys = ("s3-access-key", "s3-secret-key")
    return {key: base64.b64decode(held[key]).decode() for key in keys}
