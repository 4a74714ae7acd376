"""Good values are taken, bad ones refused with their path."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.rendering import (
    CURRENT,
    DEFINITIONS,
    EXAMPLES,
    MAIN,
    NAMESPACE,
    OLD,
    OLD_EXAMPLE,
    Helm,
)

OUTSIDE: dict[str, Any] = {
    "mongodb": {"bundled": {"enabled": False}, "existingSecret": {"name": "mongo"}},
    "s3": {
        "bundled": {"enabled": False},
        "existingSecret": {"name": "s3"},
        "internalUrl": "http://192.0.2.1:9000",
        "publicUrl": "https://s3.example.com",
    },
    "networkPolicies": {
        "mongodb": [{"ipBlock": {"cidr": "192.0.2.2/32"}}],
        "s3": [{"ipBlock": {"cidr": "192.0.2.1/32"}}],
    },
}
PLAN = {
    "apiAccess": True,
    "requestsPerMinute": 1,
    "unitsPerMonth": 1,
    "maxExport": "4k",
    "band": 0,
    "quotaScope": "team",
    "retentionDays": 1,
}


def without(path: str) -> dict[str, Any]:
    """OUTSIDE, but for the value at `path`."""

    def copied(node: dict[str, Any], names: list[str]) -> dict[str, Any]:
        rest = {key: value for key, value in node.items() if key != names[0]}
        if len(names) == 1:
            return rest
        return rest | {names[0]: copied(node[names[0]], names[1:])}

    return copied(OUTSIDE, path.split("."))


@pytest.mark.parametrize("example", [None, *EXAMPLES])
def test_lint_has_nothing_to_say(helm: Helm, example: str | None) -> None:
    files = () if example is None else ("-f", EXAMPLES[example])
    version = OLD if example == OLD_EXAMPLE else CURRENT
    done = helm.run("lint", "--strict", f"--kube-version={version}", "-n", NAMESPACE, MAIN, *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lint_has_nothing_to_say_of_the_definitions(helm: Helm) -> None:
    done = helm.run("lint", "--strict", DEFINITIONS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_good_values_are_taken(helm: Helm) -> None:
    own = {"modes": ["style", "mine"], "template": {"gpus": 2}, "threads": 4}
    chosen = OUTSIDE | {
        "pools": {"default": None, "own": own},
        "plans": {"team": PLAN, "more": PLAN | {"concurrentJobs": 3}},
        "jobTtlSeconds": 0,
        "global": {"anything": 1},
        "images": {"api": {"digest": f"sha256:{'0' * 64}"}},
    }
    objects = helm.render(values=chosen)
    assert [pool["metadata"]["name"] for pool in objects.of("TritonPool")] == ["own"]


POOL = {"modes": ["style"], "template": {}}
# Groups of values that are each wrong in their own place, and what Helm calls those places.
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    (
        {
            "colour": "red",
            "api": {
                "replica": 2,
                "replicas": -1,
                "publicUrl": "api.example.com",
                "service": {"type": "External"},
                "resources": {"limits": {"memory": "lots"}},
                "logLevel": "loud",
                "env": {"A": 1},
            },
            "operator": {"leaseSeconds": 1},
            "pools": {
                "no-modes": {"template": {}},
                "empty": POOL | {"modes": []},
                "misnamed": POOL | {"modes": ["Style!"]},
                "neither": {"modes": ["style"]},
                "both": POOL | {"endpoint": "http://a:1"},
                "no-address": {"modes": ["style"], "endpoint": "a:1"},
                "misspelt": POOL | {"template": {"gpu": 1}},
                "slots": POOL | {"slotsPerReplica": 65},
                "sizes": POOL | {"exportSizes": ["8k"]},
            },
            "plans": {"high": PLAN | {"band": 10}, "short": {"band": 1}},
            "modes": {"style": {"model": "generate"}},
            "s3": {"internalUrl": "s3:9000", "bucket": "x"},
            "images": {"api": {"digest": "latest"}, "pullPolicy": "Sometimes"},
            "jobTtlSeconds": -1,
            "monitoring": {"interval": "often"},
        },
        [
            "'': additional properties 'colour' not allowed",
            "'/api': additional properties 'replica' not allowed",
            "'/api/replicas'",
            "'/api/publicUrl'",
            "'/api/service/type'",
            "'/api/resources/limits/memory'",
            "'/api/logLevel'",
            "'/api/env/A'",
            "'/operator/leaseSeconds'",
            "'/pools/no-modes': missing property 'modes'",
            "'/pools/empty/modes'",
            "'/pools/misnamed/modes/0'",
            "'/pools/neither': 'oneOf' failed",
            "'/pools/both': 'oneOf' failed",
            "'/pools/no-address/endpoint'",
            "'/pools/misspelt/template': additional properties 'gpu' not allowed",
            "'/pools/slots/slotsPerReplica'",
            "'/pools/sizes/exportSizes/0'",
            "'/plans/high/band'",
            "'/plans/short': missing properties",
            "'/modes/style': missing properties",
            "'/s3/internalUrl'",
            "'/s3/bucket'",
            "'/images/api/digest'",
            "'/images/pullPolicy'",
            "'/jobTtlSeconds'",
            "'/monitoring/interval'",
        ],
    ),
    (
        {
            "api": {"replicas": "two", "autoscaling": 3},
            "pools": {"other": "style"},
            "mongodb": {"existingSecret": {"name": "Mongo!"}},
            "networkPolicies": {"s3": "anywhere"},
        },
        [
            "'/api/replicas'",
            "'/api/autoscaling'",
            "'/pools/other'",
            "'/mongodb/existingSecret/name'",
            "'/networkPolicies/s3'",
        ],
    ),
]


@pytest.mark.parametrize(("values", "places"), WRONG, ids=["each field", "each type"])
def test_the_schema_names_the_place_of_each_wrong_value(
    helm: Helm, values: dict[str, Any], places: list[str]
) -> None:
    done = helm.template(values=values)
    assert done.returncode != 0
    missing = [place for place in places if f"at {place}" not in done.stderr]
    assert missing == [], done.stderr


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"pools": {"P_": POOL}}, "pools.P_"),
        (without("mongodb.existingSecret"), "mongodb.existingSecret.name"),
        (without("s3.existingSecret"), "s3.existingSecret.name"),
        (without("s3.internalUrl"), "s3.internalUrl"),
        (without("networkPolicies.mongodb"), "networkPolicies.mongodb"),
        (without("networkPolicies.s3"), "networkPolicies.s3"),
        (
            {"pools": {"p": {"modes": ["style"], "endpoint": "http://192.0.2.9:8000"}}},
            "networkPolicies.pools",
        ),
        ({"jobPods": {"enabled": True, "namespace": NAMESPACE}}, "jobPods.namespace"),
        ({"tracing": {"endpoint": "http://collector:4318"}}, "networkPolicies.tracing"),
        ({"api": {"ingress": {"enabled": True}}}, "api.ingress.host"),
        ({"s3": {"bundled": {"ingress": {"enabled": True}}}}, "s3.bundled.ingress.host"),
        ({"api": {"oidc": {"issuer": "https://login.example.com"}}}, "api.oidc.issuer"),
        ({"api": {"signInUsers": True}}, "api.signInUsers"),
        (
            {"api": {"autoscaling": {"enabled": True, "minReplicas": 9, "maxReplicas": 2}}},
            "api.autoscaling.minReplicas",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_that_do_not_fit_together_are_refused_with_their_path(
    helm: Helm, values: dict[str, Any], path: str
) -> None:
    done = helm.template(values=values)
    assert done.returncode != 0
    assert f"{path}:" in done.stderr


def test_the_chart_of_definitions_refuses_unknown_values(helm: Helm) -> None:
    done = helm.template(DEFINITIONS, values={"keeep": True})
    assert done.returncode != 0
    assert "keeep" in done.stderr
