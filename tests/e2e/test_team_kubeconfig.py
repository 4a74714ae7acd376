"""A team's kubeconfig makes jobs in one namespace, sees how they go, and can do nothing else."""

from __future__ import annotations

import json
import secrets
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.charts.rendering import DEFINITIONS, find_helm
from tests.e2e.resources import manifest
from tests.e2e.tenant import Tenant
from tests.platform_under_test import CHECKOUT, PlatformUnderTest, wait_until

SCRIPT = str(CHECKOUT / "scripts" / "kubeconfig.sh")
ALLOWED = [(verb, "generationjobs.imagerift.dev") for verb in ("get", "list", "watch", "create")]
REFUSED = [
    *[(verb, "generationjobs.imagerift.dev") for verb in ("update", "patch", "delete")],
    *[(verb, "tritonpools.imagerift.dev") for verb in ("get", "list", "create", "patch")],
    *[("get", what) for what in ("secrets", "configmaps", "pods", "events", "serviceaccounts")],
    *[("create", what) for what in ("pods", "jobs.batch", "rolebindings", "serviceaccounts/token")],
    ("impersonate", "serviceaccounts"),
]


@dataclass(frozen=True)
class Team:
    """Somebody who has the file alone."""

    platform: PlatformUnderTest
    file: Path
    account: str

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        command = ("kubectl", "--kubeconfig", str(self.file), *arguments)
        return self.platform.run(*command, check=check, stdin=stdin)

    def may(self, verb: str, what: str, *more: str) -> bool:
        answer = self.kubectl("auth", "can-i", verb, what, *more, check=False)
        return answer.stdout.strip() == "yes"


def written(platform: PlatformUnderTest, file: Path, *arguments: str) -> None:
    """Runs the script as the page does, its output into a file."""
    done = platform.run("bash", "-c", f'umask 077; {SCRIPT} "$@" > {file}', "-", *arguments)
    assert "imagerift-team-" in done.stderr, done.stderr


@pytest.fixture(scope="module")
def roles(platform: PlatformUnderTest) -> None:
    """The roles of the definitions' chart, as an installation has them."""
    made = find_helm().render(DEFINITIONS).of("ClusterRole")
    listed = {"apiVersion": "v1", "kind": "List", "items": made}
    platform.run("kubectl", "apply", "-f", "-", stdin=json.dumps(listed))


@pytest.fixture
def team(platform: PlatformUnderTest, roles: None, tmp_path: Path) -> Iterator[Team]:
    name = f"shop-{secrets.token_hex(3)}"
    file, account = tmp_path / "kubeconfig", f"imagerift-team-{name}"
    namespace = platform.environment["IMAGERIFT_NAMESPACE"]
    written(platform, file, "--namespace", namespace, "--name", name, "--days", "1")
    yield Team(platform, file, account)
    platform.kubectl("delete", "serviceaccount,rolebinding", account, "--ignore-not-found")


def test_it_allows_jobs_of_its_namespace_and_nothing_else_anywhere(team: Team) -> None:
    assert stat.S_IMODE(team.file.stat().st_mode) == 0o600
    for verb, what in ALLOWED:
        assert team.may(verb, what), (verb, what)
        for elsewhere in ("default", "kube-system"):
            assert not team.may(verb, what, "-n", elsewhere), (verb, what, elsewhere)
        assert not team.may(verb, what, "--all-namespaces"), (verb, what)
    for verb, what in REFUSED:
        assert not team.may(verb, what), (verb, what)


def test_a_team_makes_a_job_and_waits_for_it_and_ends_nobodys(
    team: Team, platform: PlatformUnderTest, bound: Tenant, source: str
) -> None:
    before = bound.counters()
    name = f"of-{team.account.removeprefix('imagerift-team-')}"
    made = manifest(name, bound, source)
    team.kubectl("apply", "-f", "-", stdin=made)
    team.kubectl("wait", "--for=condition=Complete", f"gj/{name}", "--timeout=280s")
    # Once more the same: nothing is to be changed, so no right is wanted.
    assert "unchanged" in team.kubectl("apply", "-f", "-", stdin=made).stdout
    assert "Succeeded" in team.kubectl("get", "gj", name).stdout
    assert "Phase:" in team.kubectl("describe", "gj", name).stdout
    assert bound.counters()["charged"] == before["charged"] + 1

    cancel = ("patch", "gj", name, "--type", "merge", "-p", '{"spec":{"cancel":true}}')
    for refused in (("delete", "gj", name), cancel, ("get", "secrets"), ("get", "tp")):
        done = team.kubectl(*refused, check=False)
        assert done.returncode != 0 and "Forbidden" in done.stderr, (refused, done.stderr)
    elsewhere = team.kubectl("apply", "-n", "default", "-f", "-", stdin=made, check=False)
    assert elsewhere.returncode != 0 and "orbidden" in elsewhere.stderr, elsewhere.stderr


def test_it_is_void_once_its_account_is_deleted_and_another_keeps_its_own(
    team: Team, platform: PlatformUnderTest, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    namespace = platform.environment["IMAGERIFT_NAMESPACE"]
    name = team.account.removeprefix("imagerift-team-")
    written(platform, again, "--namespace", namespace, "--name", name)
    both = [team, Team(platform, again, team.account)]
    assert [one.kubectl("get", "gj").returncode for one in both] == [0, 0]
    platform.kubectl("delete", "serviceaccount,rolebinding", team.account)

    def void() -> bool:
        answers = [one.kubectl("get", "gj", check=False) for one in both]
        # As versions of kubectl tell of a 401.
        words = ("Unauthorized", "must be logged in")
        return all(any(word in answer.stderr for word in words) for answer in answers)

    wait_until(void, seconds=30, what="both tokens are void")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--namespace", "imagerift"),
        ("--namespace", "imagerift", "--name", "Shop"),
        ("--namespace", "a/b", "--name", "shop"),
        ("--namespace", "imagerift", "--name", "shop", "--days", "0"),
        ("--namespace", "imagerift", "--name"),
    ],
)
def test_what_it_cannot_read_makes_nothing(
    platform: PlatformUnderTest, arguments: tuple[str, ...]
) -> None:
    done = platform.run("bash", SCRIPT, *arguments, check=False)
    assert done.returncode == 2
    assert done.stdout == "" and "kubeconfig.sh --namespace" in done.stderr
