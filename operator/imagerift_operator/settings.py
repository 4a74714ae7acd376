"""Settings of the operator process."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from imagerift_core.tenant_settings import TenantSettings
from imagerift_core.weights_pods import WeightsPods
from pydantic import Field, SecretStr, model_validator

from imagerift_operator.model_access import ModelAccess
from imagerift_operator.pool_rules import PoolRules


class OperatorSettings(TenantSettings):
    """Read once from the environment (prefix `IMAGERIFT_`) when the process starts."""

    operator_host: str = Field("127.0.0.1", description="Address of the health and metrics ports.")
    operator_health_port: int = Field(9092, description="Port of GET /healthz.")
    operator_metrics_port: int = Field(9091, description="Port of GET /metrics.")
    lease_seconds: int = Field(
        10, ge=3, le=120, description="A leader that is silent for this long is replaced."
    )
    job_ttl_seconds: int | None = Field(
        None, ge=0, description="Overrides ttlSecondsAfterFinished of every job."
    )
    running_status_after_seconds: float = Field(
        1.0, ge=0, description="Jobs that run longer than this are shown as Running."
    )
    answer_grace_seconds: float = Field(
        15.0,
        ge=0,
        description="A model checks its deadline between steps; a call is given up this long "
        "after it.",
    )
    compare_seconds: float = Field(
        30.0, gt=0, description="Seconds between comparisons with the API server's own list."
    )
    record_grace_seconds: float = Field(
        30.0, ge=0, description="How long a resource of the API's may be without its record."
    )
    orphan_grace_seconds: float = Field(
        7200.0, gt=0, description="Age at which bytes that no record names are deleted."
    )
    pool_images: str = Field(
        "*",
        description="Images that pools may run, comma-separated: whole, or repositories; *: any.",
    )
    pool_claims: str = Field("*", description="PersistentVolumeClaims that pools may mount.")
    pool_priority_classes: str = Field("*", description="Priority classes that pools may have.")
    pool_runtime_classes: str = Field("*", description="Runtime classes that pools may have.")
    pool_secrets: str = Field(
        "*", description="Secrets that pools' variables and volumes may name."
    )
    pool_service_accounts: str = Field("*", description="Service accounts that pools may have.")
    pool_endpoint_hosts: str = Field(
        "*", description="Hosts of the endpoints that pools may name; .example.com: all within."
    )
    pool_engine_hosts: str = Field(
        "*", description="Hosts of the engines that pools may name; .example.com: all within."
    )
    model_token: SecretStr | None = Field(
        None, min_length=32, description="Token by which model servers know the operator."
    )
    model_token_hosts: str = Field(
        "",
        description="Hosts, or hosts with their ports, of pools' endpoints that are told it, "
        "comma-separated; servers made from templates always are.",
    )
    model_token_secret: str = Field(
        "", description="Secret with `model-token` that servers made from templates mount."
    )
    model_tls_secret: str = Field(
        "", description="Secret with `tls.crt` and `tls.key` of servers made from templates."
    )
    model_tls_authority: Path | None = Field(
        None, description="PEM file of the authority that signs model servers' certificates."
    )
    moderation_model: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.-]{1,128}$",
        description="Safety gate that must judge each job, in pools and job pods alike: servers "
        "made here are told of it, and one without it fails the job.",
    )
    weights_pods: WeightsPods | None = Field(
        None,
        description="JSON of the pods that download weights (imagerift_core.weights_pods); "
        "default: nothing is downloaded.",
    )
    tenants: bool = Field(
        False,
        description="Follow workspaces, keys, webhooks, plans and modes as resources, with the "
        "API's own KEY_PEPPER, WEBHOOK_KEY and bounds of webhooks; their definitions must exist.",
    )
    settle_group_size: int = Field(
        64, ge=1, le=500, description="Jobs that may share one settling transaction."
    )
    drain_seconds: float = Field(
        10.0, ge=0, description="How long a stopping operator waits for attempts in flight."
    )

    @model_validator(mode="after")
    def _tenants_need_the_pepper(self) -> Self:
        if self.tenants and self.key_pepper is None:
            raise ValueError("TENANTS needs KEY_PEPPER")
        return self

    def pool_rules(self) -> PoolRules:
        return PoolRules(
            images=_listed(self.pool_images),
            claims=_listed(self.pool_claims),
            priority_classes=_listed(self.pool_priority_classes),
            runtime_classes=_listed(self.pool_runtime_classes),
            secrets=_listed(self.pool_secrets),
            service_accounts=_listed(self.pool_service_accounts),
            endpoint_hosts=_listed(self.pool_endpoint_hosts.lower()),
            engine_hosts=_listed(self.pool_engine_hosts.lower()),
        )

    def model_access(self) -> ModelAccess:
        return ModelAccess(
            token=self.model_token,
            trusted_hosts=_listed(self.model_token_hosts.lower()),
            secret=self.model_token_secret,
            tls_secret=self.model_tls_secret,
            authority=self.model_tls_authority,
        )


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())
