"""Alerts and dashboards ask for figures that the processes really show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import promql_parser
import pytest
from imagerift_api.metrics import Metrics as ApiMetrics
from imagerift_core.clock_watch import watched_clocks
from imagerift_core.isolation import Isolations
from imagerift_core.jobs import Status
from imagerift_core.loops import Loops
from imagerift_core.mongo.audit import Difference
from imagerift_core.mongo.deliveries import Backlog
from imagerift_core.pool_template import PoolTemplate
from imagerift_core.refused_writes import count_refused_write, show_refused_writes
from imagerift_operator.metrics import Metrics as OperatorMetrics
from imagerift_operator.metrics import serve_metrics
from imagerift_operator.pool_objects import deployment
from imagerift_operator.sweeps.charges import ChargeAudit
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.charts.network import Place, pod, reaches
from tests.charts.rendering import CHARTS, NAMESPACE, Helm, Objects
from tests.support.job_records import make_record
from tests.support.server_processes import free_port
from tests.unit.operator.test_pool_figures import figures, two_pools

# What the Prometheus operator's scrapes add, and what else there is: of each target whether it
# answers, and of Triton's own what the page about its metrics names.
ADDED = {"namespace", "pod", "job", "le"}
TRITONS_MODEL, TRITONS_GPU = {"pool", "model", "version"}, {"pool", "gpu_uuid"}
OTHERS: dict[str, set[str]] = {
    f"nv_{name}": TRITONS_GPU if name.startswith("gpu") else TRITONS_MODEL
    for name in (
        "gpu_utilization",
        "gpu_memory_used_bytes",
        "gpu_memory_total_bytes",
        "gpu_power_usage",
        "inference_request_success",
        "inference_request_failure",
        "inference_compute_infer_duration_us",
        "inference_count",
        "inference_pending_request_count",
    )
}
OTHERS["up"] = set()
# What the chart's rules record.
RECORDED = re.compile(
    r"imagerift:(pool_jobs|(submits_failed|starts_late):ratio_rate(5m|30m|[126]h|[13]d))"
)
GAUGES = (
    "imagerift_in_flight_jobs",
    "imagerift_set_aside_jobs",
    "imagerift_leading",
    "imagerift_job_pods_suspended",
)


def labels_by_name(text: str) -> dict[str, set[str]]:
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def right_time() -> datetime:
    return datetime.now(UTC)


async def no_differences() -> list[Difference]:
    return []


@pytest.fixture(scope="session")
async def shown() -> dict[str, set[str]]:
    """Every figure of a process that has done everything once, and its labels."""
    api = ApiMetrics()
    api.request_answered("/api/v1/jobs/{job_id}", "GET", 200, 0.1)
    api.admission("accepted")
    api.resource_not_created("skipped")
    api.kubernetes_write("create")
    api.webhook_tried("delivered")
    api.webhooks_put_off(1)
    api.webhook_backlog(Backlog(due=1, trying=1, later=1, due_since=None))
    found = labels_by_name(generate_latest(api.registry).decode())
    api.close()
    port = free_port()
    async with serve_metrics("127.0.0.1", port) as meter:
        operator = OperatorMetrics(meter)
        operator.ended(make_record(status=Status.SUCCEEDED))
        operator.charged(1, "style")
        operator.watch_bands("imagerift_queue_jobs", "Jobs.", lambda: {1: 2}, bands={0, 1})
        operator.requeued(failed=True)
        operator.preempted("queue")
        operator.settled(1)
        operator.kubernetes_write("patch")
        operator.waited(1, 0)
        operator.ran(1, "default")
        for name in GAUGES:
            operator.watch(name, "A figure.", lambda: 1)
        operator.loaded("default", 1)
        figures(two_pools()).show(operator)
        audit: Any = SimpleNamespace(differences=no_differences)
        charges = ChargeAudit(audit, cast(Any, SimpleNamespace(leading=True)))
        await charges.look()
        charges.show(operator)
        loops, isolations = Loops(), Isolations(away=())
        isolations.of("a loop")
        count_refused_write("delete", "generationjobs")
        clocks = await watched_clocks({"mongodb": right_time}, loops)
        for part in (clocks, loops, isolations):
            part.show(meter)
        show_refused_writes(meter)
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"http://127.0.0.1:{port}/metrics")
        await loops.close()
        return found | labels_by_name(answer.text) | OTHERS


def selectors(node: Any) -> Iterator[promql_parser.VectorSelector]:
    """Every selector inside a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
        return
    for name in ("lhs", "rhs", "expr", "vector_selector", "vs", "args", "param"):
        child = getattr(node, name, None)
        for part in child if isinstance(child, list) else [child]:
            if part is not None and not isinstance(part, str | float):
                yield from selectors(part)


def check(expression: str, shown: dict[str, set[str]]) -> None:
    asked = list(selectors(promql_parser.parse(expression)))
    assert asked, expression
    names = {selector.name for selector in asked if selector.name is not None}
    # Each name in the text was found by the walk.
    assert names >= set(re.findall(r"\b(?:imagerift|nv)[_:][\w:]+(?=[{\[])", expression))
    shown = shown | {name: {"band", "pool"} for name in names if RECORDED.fullmatch(name)}
    for selector in asked:
        assert selector.name is not None and selector.name in shown, selector
        for matcher in selector.matchers.matchers:
            assert matcher.name in shown[selector.name] | ADDED, (selector.name, matcher.name)
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    for label in {label.strip() for group in grouped for label in group.split(",")}:
        assert all(label in shown[name] | ADDED for name in names), label


def test_every_alert_asks_for_what_is_shown(
    examples: dict[str, Objects], shown: dict[str, set[str]]
) -> None:
    (rule,) = examples["production"].of("PrometheusRule")
    rules = [entry for group in rule["spec"]["groups"] for entry in group["rules"]]
    recorded = {entry["record"] for entry in rules if "record" in entry}
    assert len(recorded) == 15 and all(RECORDED.fullmatch(name) for name in recorded)
    for entry in rules:
        check(entry["expr"], shown)
        assert set(re.findall(r"imagerift:[\w:]+", entry["expr"])) <= recorded
        assert f'namespace="{NAMESPACE}"' in entry["expr"]
        # Each word that the chart replaces was.
        capitals = re.findall(r"\b(?:[A-Z]{5,}|[A-Z]+_SECONDS)\b", json.dumps(entry))
        assert capitals == [], entry


def test_every_panel_asks_for_what_is_shown(
    examples: dict[str, Objects], shown: dict[str, set[str]]
) -> None:
    boards = [
        json.loads(text)
        for body in examples["production"].of("ConfigMap")
        if "grafana_dashboard" in body["metadata"]["labels"]
        for text in body["data"].values()
    ]
    uids = {board["uid"] for board in boards}
    assert uids == {"imagerift-jobs", "imagerift-pools", "imagerift-api"}
    asked = set()
    for board in boards:
        rows = [panel for panel in board["panels"] if panel["type"] == "row"]
        assert board["panels"][0] in rows and all(row["title"].endswith("?") for row in rows)
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                check(target["expr"], shown)
                asked |= set(re.findall(r"imagerift_[a-z_]+", target["expr"]))
    stems = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in shown}
    unseen = {name for name in stems if name.startswith("imagerift_")} - {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in asked
    }
    assert unseen == set()


def test_alerts_lead_to_a_section_of_the_operations_page(examples: dict[str, Objects]) -> None:
    (rule,) = examples["production"].of("PrometheusRule")
    page = (CHARTS.parent / "docs" / "operations.md").read_text()
    heads = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}
    for group in rule["spec"]["groups"]:
        for alert in (entry for entry in group["rules"] if "alert" in entry):
            page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
            assert urlsplit(page).scheme == "https" and urlsplit(page).netloc, page
            assert anchor in anchors, anchor


def test_alerts_lead_to_ones_own_copy_of_that_page(helm: Helm) -> None:
    own = {"runbookUrl": "https://wiki.example.com/imagerift", "alerts": True}
    prometheus: dict[str, Any] = {"metrics": [{"podSelector": {}}]}
    objects = helm.render(values={"monitoring": own, "networkPolicies": prometheus})
    (rule,) = objects.of("PrometheusRule")
    for group in rule["spec"]["groups"]:
        for alert in (entry for entry in group["rules"] if "alert" in entry):
            link = alert["annotations"]["runbook_url"]
            assert link.startswith("https://wiki.example.com/imagerift#")


def test_monitors_scrape_ports_that_exist(examples: dict[str, Objects]) -> None:
    objects = examples["production"]
    (monitor,) = objects.of("ServiceMonitor")
    selected = [
        body
        for body in objects.of("Service")
        if monitor["spec"]["selector"]["matchLabels"].items() <= body["metadata"]["labels"].items()
    ]
    assert [body["metadata"]["name"] for body in selected] == ["imagerift-api-metrics"]
    ports = {port["name"] for port in selected[0]["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports
    pods = objects.one("PodMonitor", "imagerift-operator")
    operator = objects.pods["imagerift-operator"]
    wanted = pods["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= operator["metadata"]["labels"].items()
    (container,) = operator["spec"]["containers"]
    known = {port["name"] for port in container["ports"]}
    assert {endpoint["port"] for endpoint in pods["spec"]["podMetricsEndpoints"]} <= known


def test_model_servers_are_scraped_by_pool(examples: dict[str, Objects]) -> None:
    """As the operator makes them, whatever port their pool gives their metrics."""
    objects = examples["production"]
    monitor = objects.one("PodMonitor", "imagerift-triton")["spec"]
    template = PoolTemplate.model_validate({"image": "triton", "metricsPort": 9000})
    made = deployment("gpu", "uid", template, replicas=1, s3_origin="http://s3")
    pod_template = made["spec"]["template"]
    labels = pod_template["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    (endpoint,) = monitor["podMetricsEndpoints"]
    ports = {port["name"]: port for port in pod_template["spec"]["containers"][0]["ports"]}
    assert ports[endpoint["port"]]["containerPort"] == 9000
    (relabeling,) = endpoint["relabelings"]
    (source,) = relabeling["sourceLabels"]
    names = {re.sub(r"[^a-z0-9]", "_", name): name for name in labels}
    assert labels[names[source.removeprefix("__meta_kubernetes_pod_label_")]] == "gpu"
    assert relabeling["targetLabel"] == "pool"
    policies = objects.of("NetworkPolicy")
    prometheus = Place({"app": "prometheus"}, "monitoring")
    assert reaches(policies, prometheus, pod("triton"), endpoint["port"])
    assert not reaches(policies, prometheus, pod("triton"), 8000)
    assert not reaches(policies, Place({"app": "shop"}, NAMESPACE), pod("triton"), "metrics")


def test_no_figure_was_forgotten_here(shown: dict[str, set[str]]) -> None:
    """Every name that the processes' code gives to an instrument is among those shown."""
    root = CHARTS.parent
    named = {
        name
        for part in ("api/imagerift_api", "operator/imagerift_operator")
        for path in (root / part).glob("*.py")
        for name in re.findall(r'"(imagerift_[a-z_]+)"', path.read_text())
    }
    known = {"imagerift_api", "imagerift_operator", "imagerift_session"}
    missing = {name for name in named - known if not any(other.startswith(name) for other in shown)}
    assert missing == set()
