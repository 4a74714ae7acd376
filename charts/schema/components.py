"""Values of the API, the operator and the pools of model servers."""

from __future__ import annotations

from typing import Any, Literal

from imagerift_contract.values import ExportSize
from imagerift_core.generation import ModeName
from imagerift_core.job_pods import JobPods
from imagerift_core.pool_template import PoolTemplate
from imagerift_core.weights_pods import WeightsPods
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from charts.schema.parts import (
    Count,
    DisruptionBudget,
    Named,
    NameOrNone,
    Object,
    Part,
    PodParts,
    Quantity,
    Resources,
    Scheduling,
    Spread,
    Texts,
)


class Autoscaling(Part):
    """A HorizontalPodAutoscaler."""

    enabled: bool = Field(False, description="Let the load decide on the number of replicas.")
    min_replicas: int = Field(2, ge=1, description="Never fewer.")
    max_replicas: int = Field(8, ge=1, description="Never more.")
    cpu_percent: int = Field(
        70, ge=1, le=100, description="CPU to aim at, in per cent of what is requested."
    )


class Service(Part):
    """How the API is reached inside the cluster."""

    type: str = Field("ClusterIP", pattern="^(ClusterIP|NodePort|LoadBalancer)$")
    port: int = Field(80, ge=1, le=65535, description="Port of the Service.")
    annotations: Texts = Field(default_factory=dict, description="Annotations of the Service.")
    load_balancer_class: str = Field("", description="Of a LoadBalancer; empty: the default one.")
    load_balancer_source_ranges: list[str] = Field(
        default_factory=list, description="Of a LoadBalancer: who may call it (CIDR); empty: all."
    )
    external_traffic_policy: str = Field("", pattern="^(Cluster|Local|)$")


class Host(Part):
    """A further host name of an Ingress."""

    host: str = Field(min_length=1, description="Host name.")
    tls_secret: NameOrNone = Field("", description="Secret with its certificate; empty: no TLS.")


class Gateway(Part):
    """How clients reach a service through a Gateway (Gateway API), which is there already."""

    enabled: bool = Field(False, description="Make an HTTPRoute.")
    parent_refs: Named = Field(
        default_factory=list, description="Gateways: name, and where needed namespace, sectionName."
    )
    hostnames: list[str] = Field(
        default_factory=list, description="Host names of clients; the first is the public one."
    )
    https: bool = Field(True, description="Whether the Gateway's listener is an HTTPS one.")
    filters: list[Object] = Field(
        default_factory=list, description="Filters, as in an HTTPRoute's rule."
    )
    annotations: Texts = Field(default_factory=dict, description="Annotations of the HTTPRoute.")


class Ingress(Part):
    """How clients reach a service from outside."""

    enabled: bool = Field(False, description="Make an Ingress.")
    class_name: NameOrNone = Field("", description="IngressClass; empty: the default one.")
    host: str = Field("", description="Host name that clients use.")
    tls_secret: NameOrNone = Field("", description="Secret with the certificate; empty: no TLS.")
    hosts: list[Host] = Field(
        default_factory=list,
        description="More host names, each with its certificate; without `host` the first is the "
        "public one.",
    )
    annotations: Texts = Field(
        default_factory=dict,
        description="Annotations. The controller must take bodies of 30 MB and must not buffer "
        "event streams.",
    )


class Oidc(Part):
    """Sign-in of people by OpenID Connect; its client secret is in `secrets`."""

    issuer: str = Field("", description="https:// address of the issuer; empty: no such sign-in.")
    client_id: str = Field("", description="This installation's client id there.")
    open: bool = Field(
        False, description="Whether everybody whom the issuer vouches for may have an account."
    )
    email_domains: list[str] = Field(
        default_factory=list,
        description="Who has a verified e-mail address in one of these may sign up.",
    )
    claims: list[str] = Field(
        default_factory=list, description="name=value: who has one of these claims may sign up."
    )


class AllowedPools(Part):
    """What TritonPools may name besides what `pools` here names; `*` for anything.

    A pool runs its image with its disk beside the installation's own, and is sent prompts and
    photos: whoever may keep pools can use what stands here.
    """

    policy: bool = Field(
        False,
        description="Have the API server refuse others too (ValidatingAdmissionPolicy, Kubernetes "
        "1.30 or later); whoever installs it needs rights on the whole cluster.",
    )
    images: list[str] = Field(
        default_factory=list,
        description="Images: whole, or as repositories, without tag and digest.",
    )
    claims: list[str] = Field(
        default_factory=list, description="PersistentVolumeClaims of the namespace."
    )
    priority_classes: list[str] = Field(default_factory=list, description="Priority classes.")
    runtime_classes: list[str] = Field(default_factory=list, description="Runtime classes.")
    secrets: list[str] = Field(
        default_factory=list,
        description="Secrets of the namespace, which a pool's variables and volumes may show it; "
        "the installation's own are among those of the namespace.",
    )
    service_accounts: list[str] = Field(default_factory=list, description="Service accounts.")
    endpoint_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts of endpoints; .example.com: all hosts of that domain.",
    )
    engine_hosts: list[str] = Field(
        default_factory=list, description="Hosts of templates' engines, in the same way."
    )


class Webhooks(Part):
    """Where webhooks may not, or by exception may, go."""

    refused_networks: list[str] = Field(
        default_factory=list,
        description="The cluster's own ranges (CIDR), when they are public addresses.",
    )
    allowed_hosts: list[str] = Field(
        default_factory=list, description="Development: host:port pairs that are reached anyway."
    )


class Api(PodParts):
    """The REST API."""

    replicas: Count = Field(2, description="Pods, where autoscaling is off.")
    autoscaling: Autoscaling = Field(default_factory=Autoscaling)
    disruption_budget: DisruptionBudget = Field(default_factory=DisruptionBudget)
    spread: Spread = Field(default_factory=Spread)
    resources: Resources = Field(
        default=Resources(
            requests={"cpu": "250m", "memory": "256Mi"}, limits={"cpu": "2", "memory": "1Gi"}
        )
    )
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#@]+)?$",
        description="Origin under which browsers reach the API, without a path; empty: the "
        "Ingress's host.",
    )
    forwarded_hops: Count | None = Field(
        None,
        description="Trusted proxies before the API that append to X-Forwarded-For; "
        "null: 1 with the Ingress, else 0.",
    )
    admin_requests_per_minute: int = Field(
        600, ge=1, description="Requests of all administrators to the admin REST API together."
    )
    previews: bool = Field(
        True, description="Show thumbnails of pictures that are finished while their job runs."
    )
    account_requests_per_minute: int = Field(
        300, ge=1, description="Account requests of one person; apart from the plan's API limit."
    )
    sign_in_tries_per_minute: int = Field(
        10, ge=1, description="Wrong passwords for one name from one address in a minute."
    )
    unidentified_requests_per_minute: int = Field(
        60,
        ge=1,
        description="Unknown API keys, or sign-ins at the issuer, of one address in a minute.",
    )
    session_hours: int = Field(
        12, ge=1, le=24, description="Hours after which somebody has to sign in again."
    )
    session_idle_minutes: int = Field(
        60, ge=10, le=1440, description="Minutes without a request after which a session is over."
    )
    sign_in_users: bool = Field(
        False, description="Passwords: `secrets` holds `sign-in-users.json` (docs/accounts.md)."
    )
    oidc: Oidc = Field(default_factory=Oidc)
    webhooks: Webhooks = Field(default_factory=Webhooks)
    service: Service = Field(default_factory=Service)
    ingress: Ingress = Field(default_factory=Ingress)
    gateway: Gateway = Field(default_factory=Gateway)
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


class Operator(PodParts):
    """The operator; one replica leads, the others are ready to."""

    replicas: Count = Field(2, description="Pods.")
    disruption_budget: DisruptionBudget = Field(default_factory=DisruptionBudget)
    spread: Spread = Field(default_factory=Spread)
    resources: Resources = Field(
        default=Resources(
            requests={"cpu": "250m", "memory": "256Mi"}, limits={"cpu": "2", "memory": "1Gi"}
        )
    )
    lease_seconds: int = Field(
        10, ge=3, le=120, description="A leader that is silent for this long is replaced."
    )
    drain_seconds: Count = Field(
        10, description="How long a stopping operator waits for attempts in flight."
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


class Template(PoolTemplate):
    """Servers that the operator makes, as in a TritonPool (docs/pools.md)."""

    image: str = Field("", max_length=4096, description="Empty: images.triton.")
    # The chart takes numbers too, as a pod's own manifest does, and writes them as text.
    resources: Resources = Field(default_factory=Resources)  # type: ignore[assignment]
    shared_memory: Quantity = Field("1Gi", description="Size of /dev/shm.")  # type: ignore[assignment]


def _exactly_one(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": ["endpoint"]}, {"required": ["template"]}]


class Pool(Part):
    """A TritonPool: jobs go to a server that exists, or to servers that the operator makes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        json_schema_extra=_exactly_one,
    )

    modes: list[ModeName] = Field(min_length=1, max_length=64)
    slots_per_replica: int | None = Field(
        None, ge=1, le=64, description="Null: as many as a server says that it takes."
    )
    export_sizes: list[ExportSize] = Field(default_factory=list, max_length=3)
    replicas: int | None = Field(None, ge=0, le=1000)
    endpoint: str = Field("", pattern=r"^https?://[^/?#]+$", max_length=512)
    template: Template = Field(default_factory=Template)
    threads: int | None = Field(
        None, ge=1, le=256, description="Threads of one model instance; null: as its image says."
    )
    mode_models: dict[str, str | None] = Field(
        default_factory=dict, description="Models of your own behind modes (docs/models.md)."
    )


class JobPodsValues(JobPods):
    """Jobs as pods of their own (docs/job-pods.md), in a namespace of their own that exists."""

    enabled: bool = Field(False, description="Let jobs run so, where a rule or their spec says it.")
    namespace: str = Field("imagerift-runners", min_length=1, max_length=253)
    image: str = Field("", max_length=4096, description="Empty: images.runner.")
    resources: Resources = Field(default_factory=Resources)  # type: ignore[assignment]


class WeightsValues(WeightsPods):
    """Pods that download weights (docs/weights.md)."""

    image: str = Field("", max_length=4096, description="Empty: images.weights.")
    fs_group: int | None = Field(
        None, ge=1, description="Group that may write to the volume; null: podSecurityContext's."
    )
    resources: Resources = Field(  # type: ignore[assignment]
        default=Resources(requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "512Mi"})
    )


class ServiceLevels(Part):
    """What customers may rely on; alerts tell when a month's share of exceptions is used up."""

    submits: float = Field(
        99.9, gt=0, lt=100, description="Per cent of submits without an error of the API's own."
    )
    starts: float = Field(
        95, gt=0, lt=100, description="Per cent of jobs, of each band, that start in time."
    )
    start_seconds: Literal[10, 30, 60, 300, 900] = Field(
        60, description="In time is within so many seconds."
    )


class Monitoring(Part):
    """Objects for the Prometheus operator and for Grafana's sidecar."""

    monitors: bool = Field(
        False, description="ServiceMonitor of the API, PodMonitors of operator and model servers."
    )
    interval: str = Field("30s", pattern=r"^[0-9]+s$", description="Between two scrapes.")
    alerts: bool = Field(False, description="PrometheusRule with the alerts of docs/operations.md.")
    dashboards: bool = Field(False, description="Grafana dashboards as ConfigMaps.")
    labels: Texts = Field(
        default_factory=dict, description="Labels by which your Prometheus selects the objects."
    )
    dashboard_labels: Texts = Field(
        default={"grafana_dashboard": "1"}, description="Labels that Grafana's sidecar looks for."
    )
    wait_seconds: int = Field(
        120, ge=1, description="A median wait in the queue above this is an alert."
    )
    slos: ServiceLevels = Field(default_factory=ServiceLevels)
    runbook_url: str = Field(
        "https://www.imagerift.com/docs/operations",
        pattern=r"^https?://[^#]+$",
        description="Where docs/operations.md is published; each alert links to its section there.",
    )


class Probe(Part):
    """`helm test`: a job of its own, from submit to its end."""

    mode: ModeName = Field("style", description="Mode of the job.")
    prompt: str = Field("studio product photo", description="Its prompt.")
    plan: str = Field("business", description="Plan of the workspace that it makes and uses.")
    seconds: int = Field(300, ge=10, description="How long the job may take.")
    scheduling: Scheduling = Field(default_factory=Scheduling)


Peers = list[Object]
