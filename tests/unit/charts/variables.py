"""Which variables of the programs' settings the chart sets."""

from __future__ import annotations

from pydantic_settings import BaseSettings

# Settings whose variables have names that others know.
STANDARD = {"kubeconfig": "KUBECONFIG", "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT"}
# Of a test or of the machine, not of an installation; or the default is right in a pod.
UNUSED = {"IMAGERIFT_CRASH_DIR", "KUBECONFIG", "IMAGERIFT_API_PORT", "IMAGERIFT_API_METRICS_PORT"}
UNUSED |= {"IMAGERIFT_OPERATOR_HEALTH_PORT", "IMAGERIFT_OPERATOR_METRICS_PORT"}
UNUSED |= {"IMAGERIFT_RUNNING_STATUS_AFTER_SECONDS", "IMAGERIFT_SETTLE_GROUP_SIZE"}
UNUSED |= {"IMAGERIFT_ANSWER_GRACE_SECONDS", "IMAGERIFT_COMPARE_SECONDS"}
UNUSED |= {"IMAGERIFT_RECORD_GRACE_SECONDS", "IMAGERIFT_ORPHAN_GRACE_SECONDS"}


def chart_variables(settings: type[BaseSettings]) -> set[str]:
    """The variables of `settings` that the chart has to set when everything is asked for."""
    names = {STANDARD.get(key, f"IMAGERIFT_{key.upper()}") for key in settings.model_fields}
    return names - UNUSED
