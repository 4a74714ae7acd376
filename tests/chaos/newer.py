"""`python -m tests.chaos.newer MODULE` runs a service that writes words of a version to come."""

from __future__ import annotations

import runpy
import sys
from typing import Any

from imagerift_core.jobs import JobRecord

_document: Any = JobRecord.document


def of_a_version_to_come(record: JobRecord) -> dict[str, object]:
    """What is stored of a job, with a field and with words that no version knows yet."""
    written: dict[str, Any] = _document(record)
    written["future"] = {"engine": "cold fusion"}
    written["origin"] = "telepathy"
    written["quota"] = written["quota"] | {"scope": "galaxy"}
    if written.get("error"):
        written["error"] = written["error"] | {"code": "solar_flare"}
    return written


def main() -> None:
    JobRecord.document = of_a_version_to_come  # type: ignore[assignment,method-assign]  # what it is for
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
