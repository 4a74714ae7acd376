"""A Prometheus that reads a platform's figures and evaluates the chart's rules."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from imagerift_local.provision.programs import provision

from bench.boards.board import Query
from bench.boards.drawing import Series
from tests.charts.rendering import NAMESPACE, find_helm, workshop
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.prometheus import PROMETHEUS
from tests.support.server_processes import free_port

EVERY_SECONDS = 5
# As the chart's monitors name what they read.
JOBS = {
    "imagerift-api-metrics": "IMAGERIFT_API_METRICS_PORT",
    "imagerift-operator": "IMAGERIFT_OPERATOR_METRICS_PORT",
}


@dataclass(frozen=True)
class Prometheus:
    """Prometheus' HTTP API."""

    http: httpx.Client

    def series(self, queries: list[Query], *, start: float, end: float) -> list[Series]:
        """Every series of the queries between two times, in seconds of the epoch."""
        found = []
        for query in queries:
            times: dict[str, Any] = {"start": start, "end": end, "step": EVERY_SECONDS}
            answer = self.http.get(
                "/api/v1/query_range", params={"query": query.expression, **times}
            )
            answer.raise_for_status()
            for result in answer.json()["data"]["result"]:
                pairs = [((float(at) - start) / 60, float(value)) for at, value in result["values"]]
                # Nothing divided by nothing is no figure.
                points = [(at, value) for at, value in pairs if value == value]  # noqa: PLR0124
                if points:
                    found.append(Series(query.name(result["metric"]), points))
        return found

    def rules(self) -> list[dict[str, Any]]:
        """The rules, each with its health and state."""
        answer = self.http.get("/api/v1/rules").raise_for_status()
        return [rule for group in answer.json()["data"]["groups"] for rule in group["rules"]]

    def is_ready(self) -> bool:
        try:
            return self.http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False


def settings(platform: PlatformUnderTest, rules: Path) -> dict[str, Any]:
    """Prometheus' own: what the chart's monitors have the Prometheus operator write."""
    return {
        "global": {
            "scrape_interval": f"{EVERY_SECONDS}s",
            "evaluation_interval": f"{EVERY_SECONDS}s",
        },
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [
                    {
                        "targets": [f"127.0.0.1:{platform.environment[port]}"],
                        "labels": {"namespace": NAMESPACE, "pod": f"{job}-0"},
                    }
                ],
            }
            for job, port in JOBS.items()
        ],
    }


@contextmanager
def scraping(platform: PlatformUnderTest, folder: Path) -> Iterator[Prometheus]:
    """Runs one that reads the platform, until the end of the block."""
    values = {
        "monitoring": {"alerts": True},
        "networkPolicies": {"metrics": [{"podSelector": {}}]},
    }
    (rule,) = find_helm().render(values=values).of("PrometheusRule")
    rules, config = folder / "rules.yaml", folder / "prometheus.yaml"
    rules.write_text(yaml.safe_dump({"groups": rule["spec"]["groups"]}))
    config.write_text(yaml.safe_dump(settings(platform, rules)))
    address = f"127.0.0.1:{free_port()}"
    program = provision(PROMETHEUS, workshop()).files["prometheus"]
    command = [
        *(str(program), f"--config.file={config}", f"--storage.tsdb.path={folder / 'series'}"),
        *(f"--web.listen-address={address}", "--log.level=warn"),
    ]
    log = folder / "prometheus.log"
    with (
        log.open("w") as output,
        httpx.Client(base_url=f"http://{address}", timeout=30, trust_env=False) as http,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        prometheus = Prometheus(http)
        try:
            wait_until(prometheus.is_ready, seconds=30, what=f"Prometheus is ready: {log}")
            yield prometheus
        finally:
            process.terminate()


def now() -> float:
    """Seconds of the epoch, by which Prometheus counts."""
    return time.time()
