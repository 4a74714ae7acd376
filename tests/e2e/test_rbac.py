"""Each service account may do what its part does, and nothing else that matters."""

from __future__ import annotations

import pytest

from tests.platform_under_test import PlatformUnderTest

ALLOWED = {
    "imagerift-api": [
        ("create", "generationjobs.imagerift.dev"),
        ("patch", "generationjobs.imagerift.dev"),
        ("delete", "generationjobs.imagerift.dev"),
    ],
    "imagerift-operator": [
        ("list", "generationjobs.imagerift.dev"),
        ("watch", "generationjobs.imagerift.dev"),
        ("create", "generationjobs.imagerift.dev"),
        ("patch", "generationjobs.imagerift.dev/status"),
        ("update", "generationjobs.imagerift.dev/status"),
        ("watch", "tritonpools.imagerift.dev"),
        ("patch", "tritonpools.imagerift.dev/status"),
        ("patch", "workspaces.imagerift.dev"),
        ("watch", "apikeys.imagerift.dev"),
        ("patch", "apikeys.imagerift.dev/status"),
        # Of tokens: they are written, and never read.
        ("create", "secrets"),
        ("update", "leases.coordination.k8s.io/imagerift-operator"),
        ("patch", "deployments.apps"),
        ("patch", "services"),
        ("patch", "poddisruptionbudgets.policy"),
        ("list", "pods"),
        ("patch", "pods"),
        ("create", "events.events.k8s.io"),
        ("patch", "events.events.k8s.io"),
        ("patch", "modelweights.imagerift.dev"),
        ("patch", "modelweights.imagerift.dev/status"),
        ("create", "jobs.batch"),
        ("create", "persistentvolumeclaims"),
    ],
}
REFUSED = {
    "imagerift-api": [
        ("list", "generationjobs.imagerift.dev"),
        ("patch", "generationjobs.imagerift.dev/status"),
        ("create", "tritonpools.imagerift.dev"),
        ("create", "jobs.batch"),
        ("patch", "deployments.apps"),
        ("list", "pods"),
        ("get", "leases.coordination.k8s.io/imagerift-operator"),
        ("create", "events.events.k8s.io"),
        ("create", "secrets"),
        ("get", "workspaces.imagerift.dev"),
        ("get", "apikeys.imagerift.dev"),
    ],
    "imagerift-operator": [
        ("create", "workspaces.imagerift.dev"),
        ("delete", "apikeys.imagerift.dev"),
        ("list", "secrets"),
        ("patch", "secrets"),
        ("delete", "secrets"),
        ("list", "events.events.k8s.io"),
        ("delete", "events.events.k8s.io"),
        ("patch", "tritonpools.imagerift.dev"),
        ("create", "modelweights.imagerift.dev"),
        ("delete", "persistentvolumeclaims"),
        ("update", "leases.coordination.k8s.io/someone-else"),
        ("delete", "pods"),
        ("create", "daemonsets.apps"),
        ("list", "namespaces"),
        ("list", "customresourcedefinitions.apiextensions.k8s.io"),
    ],
}
ALWAYS_REFUSED = [
    ("get", "secrets"),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("create", "serviceaccounts/token"),
    ("patch", "rolebindings.rbac.authorization.k8s.io"),
    ("create", "pods/attach"),
    ("create", "pods/portforward"),
    ("get", "pods/log"),
    ("get", "configmaps"),
    ("impersonate", "serviceaccounts"),
]


def may(
    platform: PlatformUnderTest, account: str, verb: str, what: str, where: str | None = None
) -> bool:
    """What the API server answers for the account; subresources come after the group.

    `where` is another namespace than the account's own.
    """
    namespace = platform.environment["IMAGERIFT_NAMESPACE"]
    resource, _, rest = what.partition("/")
    more = []
    if rest in {"status", "exec", "token", "attach", "portforward", "log"}:
        more = [f"--subresource={rest}"]
    elif rest:
        resource = f"{resource}/{rest}"
    answer = platform.kubectl(
        *["auth", "can-i", verb, resource, *more, *([] if where is None else ["-n", where])],
        f"--as=system:serviceaccount:{namespace}:{account}",
        check=False,
    )
    return answer.stdout.strip() == "yes"


@pytest.mark.parametrize("account", sorted(ALLOWED))
def test_an_account_can_do_what_its_part_needs(platform: PlatformUnderTest, account: str) -> None:
    for verb, what in ALLOWED[account]:
        assert may(platform, account, verb, what), f"{account} {verb} {what}"


@pytest.mark.parametrize("account", sorted(REFUSED))
def test_an_account_is_refused_everything_else(platform: PlatformUnderTest, account: str) -> None:
    for verb, what in REFUSED[account] + ALWAYS_REFUSED:
        assert not may(platform, account, verb, what), f"{account} {verb} {what}"


@pytest.mark.parametrize("account", sorted(ALLOWED))
@pytest.mark.parametrize("where", ["default", "kube-system"])
def test_an_account_can_do_nothing_in_another_namespace(
    platform: PlatformUnderTest, account: str, where: str
) -> None:
    for verb, what in ALLOWED[account][:4] + ALWAYS_REFUSED[:2]:
        assert not may(platform, account, verb, what, where), f"{account} {verb} {what} in {where}"
