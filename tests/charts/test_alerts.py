"""Prometheus' own promtool on the rules: when each alert fires, and when it does not."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from imagerift_local.provision.programs import provision

from tests.charts.rendering import NAMESPACE, Objects, workshop
from tests.support.prometheus import PROMETHEUS

CASES: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("alerts.yaml").read_text()
)


@pytest.fixture(scope="module")
def promtool() -> Path:
    return provision(PROMETHEUS, workshop()).files["promtool"]


@pytest.fixture(scope="module")
def groups(examples: dict[str, Objects]) -> list[dict[str, Any]]:
    (rule,) = examples["production"].of("PrometheusRule")
    found: list[dict[str, Any]] = rule["spec"]["groups"]
    return found


def alerts(groups: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def records(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for group in groups for rule in group["rules"] if "record" in rule]


def series(figures: dict[str, Any]) -> list[dict[str, str]]:
    """The figures as promtool takes them, with the release's namespace."""
    found = []
    for name, values in figures.items():
        stem, _, labels = name.removesuffix("}").partition("{")
        inside = f'namespace="{NAMESPACE}", {labels}'.removesuffix(", ")
        found.append({"series": f"{stem}{{{inside}}}", "values": str(values)})
    return found


def expected(rule: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """The one alert, its annotations with what they take from its labels."""

    def filled(text: str) -> str:
        return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)

    notes = {name: filled(text) for name, text in rule["annotations"].items()}
    return {"exp_labels": rule["labels"] | labels, "exp_annotations": notes}


def own_labels(rule: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """The case's labels; what is recorded keeps its namespace."""
    named = {"namespace": NAMESPACE} if "imagerift:" in rule["expr"] else {}
    labels: dict[str, str] = case.get("labels", {})
    return named | labels


def test_every_alert_has_a_case(groups: list[dict[str, Any]]) -> None:
    assert set(CASES) == set(alerts(groups))


def test_promtool_takes_the_rules(
    promtool: Path, groups: list[dict[str, Any]], tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": groups}))
    command = [str(promtool), "check", "rules", str(rules)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_and_are_silent(
    promtool: Path, groups: list[dict[str, Any]], tmp_path: Path
) -> None:
    files = []
    for name, rule in alerts(groups).items():
        # Only what the alert asks for: promtool evaluates every rule at every minute.
        asked = [each for each in records(groups) if each["record"] in rule["expr"]]
        group = {"name": "rules", "rules": [*asked, rule]}
        rules = tmp_path / f"{name}-rules.yaml"
        rules.write_text(yaml.safe_dump({"groups": [group]}))
        tests = []
        case = CASES[name]
        fired = [expected(rule, own_labels(rule, case))]
        runs = [("fires", case["fires"], fired), ("silent", case["silent"], [])]
        if case.get("absent"):
            runs.append(("fires where nothing is", {"another_figure": "1x60"}, fired))
        for title, figures, fires in runs:
            at = {"eval_time": case["after"], "alertname": name, "exp_alerts": fires}
            tests.append(
                {
                    "name": f"{name} {title}",
                    "interval": "1m",
                    "input_series": series(figures),
                    "alert_rule_test": [at],
                }
            )
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"rule_files": [rules.name], "tests": tests}))
        files.append(str(file))
    command = [str(promtool), "test", "rules", *files]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
