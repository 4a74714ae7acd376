"""The policy scanner finds nothing but what docs/security-scan.md argues for."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import CHARTS, DEFINITIONS, Helm, Objects, workshop
from tests.support.checkov import PROGRAM, provision_checkov

PAGE = CHARTS.parent / "docs" / "security-scan.md"
SCANNED = ("default", "production")


@pytest.fixture(scope="module")
def findings(
    helm: Helm, examples: dict[str, Objects], tmp_path_factory: pytest.TempPathFactory
) -> set[tuple[str, str]]:
    """(check, object) of every finding in two renderings and the definitions' chart."""
    folder = tmp_path_factory.mktemp("scan")
    for name in SCANNED:
        # Kinds that the scanner knows nothing of only slow it down.
        known = [body for body in examples[name].all if "coreos" not in body["apiVersion"]]
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(known))
    roles = helm.render(DEFINITIONS).of("ClusterRole")
    (folder / "roles.yaml").write_text(yaml.safe_dump_all(roles))
    checkov = provision_checkov(workshop()).files
    done = subprocess.run(
        [
            *(checkov["python"], checkov["environment"] / PROGRAM, "-d", folder),
            *["--framework", "kubernetes", "--skip-download", "--soft-fail", "-o", "json"],
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
        env={**os.environ, "BC_SKIP_MAPPING": "TRUE", "LOG_LEVEL": "ERROR"},
    )
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 500
    return {
        (finding["check_id"], finding["resource"].rsplit(".", 1)[-1])
        for finding in report["results"]["failed_checks"]
    }


def argued(page: Path) -> set[tuple[str, str]]:
    """(check, object) of each row of the page's table."""
    rows = re.findall(r"^\| (CKV\w+) \| ([^|]+) \|", page.read_text(), re.MULTILINE)
    return {(check, name) for check, names in rows for name in re.findall(r"`([\w-]+)`", names)}


def test_every_finding_is_argued_and_every_argument_is_needed(
    findings: set[tuple[str, str]],
) -> None:
    assert findings == argued(PAGE)
