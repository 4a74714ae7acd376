"""Helm on the charts, and the objects that come out."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from imagerift_core.job_pods import JobPods
from imagerift_core.pool_template import PoolTemplate
from imagerift_core.resources import TritonPoolSpec
from imagerift_core.weights_pods import WeightsPods
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.programs import provision
from imagerift_local.settings import PlatformSettings

from tests.support.helm import HELM

CHARTS = Path(__file__).resolve().parents[2] / "charts"
MAIN, DEFINITIONS = CHARTS / "imagerift", CHARTS / "imagerift-crds"
EXAMPLES = {path.stem: path for path in sorted((MAIN / "examples").glob("*.yaml"))}
RELEASE = "shard-a"
NAMESPACE = "pictures"
# Versions of Kubernetes that charts are rendered for, and the example that is for the old one.
CURRENT, OLD = "1.37.0", "1.20.2"
OLD_EXAMPLE = "kubernetes-1.20"

# Kinds that other projects define, and our own; the schemas of Kubernetes know neither.
FOREIGN = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute", "ScaledObject"}
CUSTOM = {"TritonPool", "GenerationJob"}

# Where the images are, for files that say nothing of it.
HOME = {"global": {"imageRegistry": "registry.example.com"}}

Manifest = dict[str, Any]
Values = Mapping[str, Any]


def workshop() -> Workshop:
    """Where tools come from: the platform's own cache."""
    cache = Cache(PlatformSettings().cache_dir.absolute())
    return Workshop(cache, Debian(cache.root), lambda _: None)


@dataclass(frozen=True)
class Helm:
    """The program `helm`."""

    program: Path

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def template(
        self,
        chart: Path = MAIN,
        *,
        example: str | None = None,
        values: Values | None = None,
        file: Path | None = None,
        kubernetes: str | None = None,
        new_secrets: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """What `helm template` says, of the example's or the file's values with `values` on top.

        `new_secrets` lets the chart make secrets although there is no cluster to keep them in;
        `kubernetes` is the cluster's version, by default a current one.
        """
        named = EXAMPLES[example] if example is not None else file
        options: list[str | Path] = [] if named is None else ["-f", named]
        first = HOME if chart == MAIN else {}
        if kubernetes is None:
            kubernetes = OLD if example == OLD_EXAMPLE or _is_for_old(values) else CURRENT
        if chart == MAIN and new_secrets:
            options += ["--set", "secrets.allowNewEachRender=true"]
        with tempfile.TemporaryDirectory() as folder:
            below, above = Path(folder, "below.json"), Path(folder, "above.json")
            below.write_text(json.dumps(first))
            above.write_text(json.dumps(values or {}))
            command = ("template", RELEASE, chart, "-n", NAMESPACE, "--kube-version", kubernetes)
            return self.run(*command, "-f", below, *options, "-f", above)

    def render(self, chart: Path = MAIN, **options: Any) -> Objects:
        """The objects of `helm template` (see there), which must succeed."""
        done = self.template(chart, **options)
        assert done.returncode == 0, done.stderr
        return Objects([body for body in yaml.safe_load_all(done.stdout) if body])


@dataclass(frozen=True)
class Objects:
    """Rendered objects."""

    all: list[Manifest]

    def of(self, kind: str) -> list[Manifest]:
        return [body for body in self.all if body["kind"] == kind]

    def one(self, kind: str, name: str) -> Manifest:
        (found,) = [body for body in self.of(kind) if body["metadata"]["name"] == name]
        return found

    @cached_property
    def pods(self) -> dict[str, Manifest]:
        """Pod templates (metadata and spec) by the name of what makes them."""
        found = {}
        for body in self.all:
            if body["kind"] in {"Deployment", "StatefulSet"}:
                found[body["metadata"]["name"]] = body["spec"]["template"]
            elif body["kind"] == "Pod":
                found[body["metadata"]["name"]] = body
        return found


def containers(pod: Manifest) -> Iterable[Manifest]:
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def variables(pod: Manifest) -> dict[str, Any]:
    """Environment of the pod's first container: value, or where it comes from."""
    return {
        entry["name"]: entry.get("value", entry.get("valueFrom"))
        for entry in pod["spec"]["containers"][0].get("env", [])
    }


def pool_template(objects: Objects, pool: str) -> PoolTemplate:
    """What the operator reads from a rendered pool that has a template."""
    spec = TritonPoolSpec.model_validate(objects.one("TritonPool", pool)["spec"])
    assert spec.template is not None
    return spec.template


def job_pods(objects: Objects) -> JobPods:
    """What the programs read from the rendered configuration of job pods."""
    return JobPods.model_validate_json(
        objects.one("ConfigMap", "imagerift-config")["data"]["job-pods.json"]
    )


def weights_pods(objects: Objects) -> WeightsPods | None:
    """What the operator is told of the pods that download weights."""
    told = variables(objects.pods["imagerift-operator"]).get("IMAGERIFT_WEIGHTS_PODS")
    return None if told is None else WeightsPods.model_validate_json(told)


def _is_for_old(values: Values | None) -> bool:
    return bool((values or {}).get("compatibility", {}).get("kubernetes120"))


def find_helm() -> Helm:
    return Helm(provision(HELM, workshop()).files["helm"])
