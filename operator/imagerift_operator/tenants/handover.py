"""Secrets in which something is handed over once: they are made, and neither read nor changed."""

from __future__ import annotations

import base64
from typing import Any

from imagerift_core.errors import DomainError
from imagerift_core.kube_tenants import TenantCalls
from imagerift_core.mongo.keys import ApiKey, KeyStore
from imagerift_core.mongo.webhooks import Webhook, WebhookStore
from imagerift_core.resources import GROUP, VERSION, WORKSPACE_LABEL

from imagerift_operator.tenants.objects import Body


class SecretExists(DomainError):
    """The Secret that is to be made is there already, and not ours to change."""

    code = "secret_exists"


def secret_name(body: Body) -> str:
    """The name of the resource's Secret."""
    return str((body.get("spec") or {}).get("secretName") or body["metadata"]["name"])


async def check_name_is_free(kube: TenantCalls, kind: str, body: Body) -> None:
    """Raises `SecretExists`."""
    if not await kube.create_secret(_secret(kind, body, "", {}), only_try=True):
        raise SecretExists(
            f"The Secret '{secret_name(body)}' exists, and is not written over; name another as "
            "secretName, or delete it."
        )


async def hand_over(
    kube: TenantCalls,
    kind: str,
    body: Body,
    data: dict[str, str],
    *,
    made: ApiKey | Webhook,
    store: KeyStore | WebhookStore,
) -> None:
    """Makes the Secret of what was made for the resource, and notes that in its `store`.

    Raises `SecretExists`, but not once it was tried: one that is there then is of that try, whose
    answer was lost.
    """
    if not made.secret_tried:
        await check_name_is_free(kube, kind, body)
        await store.mark_secret_tried(made.id)
    await kube.create_secret(_secret(kind, body, made.workspace, data))
    await store.mark_secret_written(made.id)


def _secret(kind: str, body: Body, workspace: str, data: dict[str, str]) -> dict[str, Any]:
    """The Secret, which goes with the resource."""
    metadata = body["metadata"]
    owner = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": secret_name(body),
            "labels": {WORKSPACE_LABEL: workspace},
            "ownerReferences": [owner],
        },
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }
