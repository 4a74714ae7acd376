"""Writes that a policy refuses, objects that somebody edits, and an etcd that is full."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from tests.chaos.disturbance import Deed, Moment
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.admission_webhook import Policy
from tests.support.own_shard import Shard

_PATH = "/apis/imagerift.dev/v1/namespaces/{}/generationjobs/{}"
_FINALIZER = "chaos.imagerift.dev/held"
_ENDS = ("soon", "9999-12-31T23:59:59Z", "")
# So long an object is refused; a sweep of theirs is to come by meanwhile.
_REFUSED_SECONDS = 15.0


def cluster_deeds(shard: Shard, policy: Policy) -> list[Deed]:
    def of_one(name: str, weight: float, do: Callable[[str, Moment], str | None]) -> Deed:
        """To one of the resources that are there."""

        def act(moment: Moment) -> str | None:
            names = sorted(item["metadata"]["name"] for item in shard.resources())
            return do(moment.drawn.choice(names), moment) if names else None

        return Deed(name, weight, act)

    return [
        *(
            Deed(f"refuse {operation}", 2, partial(_refuse, policy, operation))
            for operation in ("CREATE", "DELETE", "STATUS")
        ),
        of_one("edit the end's time", 2, partial(_edit_end, shard)),
        of_one("edit a spec", 1, partial(_edit_spec, shard)),
        of_one("hold by a finalizer", 2, partial(_hold, shard)),
        of_one("delete a resource", 1, partial(_delete, shard)),
        Deed("etcd is full", 2, partial(_fill_etcd, shard.platform)),
    ]


def _refuse(policy: Policy, operation: str, moment: Moment) -> str | None:
    policy.refuse(operation)
    moment.pause(_REFUSED_SECONDS)
    refused = policy.refused
    policy.allow()
    return f"refused a job's {operation.lower()}" if refused else None


def _edit_end(shard: Shard, name: str, moment: Moment) -> str | None:
    path = _PATH.format(shard.namespace, name)
    found = shard.kubectl("get", "--raw", path, check=False)
    if not found:
        return None
    resource: dict[str, Any] = json.loads(found)
    phase = resource.get("status", {}).get("phase", "Succeeded")
    end = moment.drawn.choice(_ENDS)
    resource["status"] = resource.get("status", {}) | {"phase": phase, "finishedAt": end}
    arguments = ("replace", "--raw", f"{path}/status", "-f", "-")
    # Refused where the operator has written in between, or by the schema.
    written = shard.kubectl(*arguments, stdin=json.dumps(resource), check=False)
    return "edited a status" if written else None


def _patch(shard: Shard, name: str, patch: dict[str, Any]) -> bool:
    arguments = ("patch", "gj", name, "--type", "merge", "-p", json.dumps(patch))
    return bool(shard.kubectl(*arguments, check=False))


def _edit_spec(shard: Shard, name: str, moment: Moment) -> str | None:
    changed = moment.drawn.choice([{"variations": 8}, {"mode": "style"}, {"prompt": "edited"}])
    return "edited a spec" if _patch(shard, name, {"spec": changed}) else None


def _hold(shard: Shard, name: str, moment: Moment) -> str | None:
    if not _patch(shard, name, {"metadata": {"finalizers": [_FINALIZER]}}):
        return None
    moment.pause(moment.seconds)
    _patch(shard, name, {"metadata": {"finalizers": None}})
    return "held a resource by a finalizer"


def let_go(shard: Shard) -> None:
    """No finalizer stays that could not be taken off in its time."""
    for item in shard.resources():
        if item["metadata"].get("finalizers"):
            _patch(shard, item["metadata"]["name"], {"metadata": {"finalizers": None}})


def _delete(shard: Shard, name: str, moment: Moment) -> str | None:
    del moment
    done = shard.kubectl("delete", "gj", name, "--wait=false", check=False)
    return "deleted a resource" if done else None


def _fill_etcd(platform: PlatformUnderTest, moment: Moment) -> str | None:
    """Raises the alarm of etcd's own quota: it takes no write until that is off."""
    if not _set_alarm(platform, "ACTIVATE"):
        return None
    moment.pause(moment.seconds)
    make_room(platform)
    return "etcd out of room by its alarm"


def make_room(platform: PlatformUnderTest) -> None:
    """Takes the alarm off, as an administrator does who has made room."""
    wait_until(
        lambda: _set_alarm(platform, "DEACTIVATE"), seconds=60, what="etcd's alarm is taken off"
    )


def _set_alarm(platform: PlatformUnderTest, action: str) -> bool:
    """Whether etcd answered."""
    pki = platform.data / "pki"
    context = ssl.create_default_context(cafile=str(pki / "etcd-ca.crt"))
    context.load_cert_chain(pki / "etcd-client.crt", pki / "etcd-client.key")
    url = f"{platform.part('etcd')['address']}/v3/maintenance/alarm"
    try:
        answer = httpx.post(
            url,
            json={"action": action, "memberID": "0", "alarm": "NOSPACE"},
            verify=context,
            trust_env=False,
            timeout=5,
        )
    except httpx.TransportError:
        return False
    return answer.is_success
