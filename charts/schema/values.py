"""Everything that the chart `imagerift` can be told."""

from __future__ import annotations

from typing import Literal

from imagerift_core.modes import Mode
from imagerift_core.plans import Plan
from pydantic import Field

from charts.schema.components import (
    AllowedPools,
    Api,
    Gateway,
    Ingress,
    JobPodsValues,
    Monitoring,
    Operator,
    Pool,
    Probe,
    Template,
    WeightsValues,
)
from charts.schema.network_policies import NetworkPolicies
from charts.schema.parts import (
    Global,
    Image,
    MongoTls,
    NameOrNone,
    Object,
    Part,
    Resources,
    Scheduling,
    Storage,
    Texts,
    Trust,
)


class Compatibility(Part):
    """Older clusters."""

    kubernetes120: bool = Field(
        False, description="Use the APIs of Kubernetes 1.20 (policy/v1beta1, autoscaling/v2beta2)."
    )


class Images(Part):
    """Images of the chart's own pods; each pool may name another."""

    pull_policy: str = Field("IfNotPresent", pattern="^(Always|IfNotPresent|Never)$")
    pull_secrets: list[str] = Field(default_factory=list, description="Names of Secrets.")
    api: Image = Field(default=Image(repository="imagerift/api"))
    operator: Image = Field(default=Image(repository="imagerift/operator"))
    triton: Image = Field(default=Image(repository="imagerift/triton"))
    runner: Image = Field(default=Image(repository="imagerift/runner"))
    weights: Image = Field(default=Image(repository="imagerift/weights"))
    mongodb: Image = Field(default=Image(repository="library/mongo", tag="8.0.32"))
    s3: Image = Field(default=Image(repository="chrislusf/seaweedfs", tag="4.48"))


class PodSecurityContext(Part):
    """Who the chart's own pods run as; null: whom the cluster chooses, as OpenShift does."""

    run_as_user: int | None = Field(65532, ge=1, description="User id.")
    run_as_group: int | None = Field(65532, ge=1, description="Group id.")
    fs_group: int | None = Field(65532, ge=1, description="Group that owns the volumes.")


class SecretKey(Part):
    """A key of a Secret that you made."""

    name: NameOrNone = Field("", description="Name of the Secret.")
    key: str = Field("mongo-url", description="Its key.")


class BundledDatabase(Part):
    """One mongod, for trying out. It has no copy and no backup."""

    enabled: bool = Field(True, description="Run it; turn it off where you have a replica set.")
    storage: Storage = Field(default_factory=Storage)
    resources: Resources = Field(
        default=Resources(
            requests={"cpu": "250m", "memory": "512Mi"}, limits={"cpu": "2", "memory": "1Gi"}
        )
    )
    scheduling: Scheduling = Field(default_factory=Scheduling)


class MongoDb(Part):
    """The database. It must be a replica set."""

    database: str = Field("imagerift", min_length=1, description="Name of the database.")
    existing_secret: SecretKey = Field(
        default_factory=SecretKey, description="The connection string."
    )
    tls: MongoTls = Field(default_factory=MongoTls)
    bundled: BundledDatabase = Field(default_factory=BundledDatabase)


class S3Keys(Part):
    """The S3 account, in a Secret that you made."""

    name: NameOrNone = Field("", description="Name of the Secret.")
    access_key: str = Field("s3-access-key", description="Its key with the access key id.")
    secret_key: str = Field("s3-secret-key", description="Its key with the secret key.")


class BundledS3(Part):
    """One SeaweedFS, for trying out."""

    enabled: bool = Field(True, description="Run it; turn it off where you have S3.")
    storage: Storage = Field(default=Storage(size="20Gi"))
    resources: Resources = Field(
        default=Resources(
            requests={"cpu": "250m", "memory": "256Mi"}, limits={"cpu": "2", "memory": "1Gi"}
        )
    )
    scheduling: Scheduling = Field(default_factory=Scheduling)
    ingress: Ingress = Field(default_factory=Ingress)
    gateway: Gateway = Field(default_factory=Gateway)


_Origin = r"^(https?://[^/?#@]+)?$"


class S3(Part):
    """The object store, with signatures of version 4. The bucket must exist."""

    internal_url: str = Field(
        "", pattern=_Origin, description="As pods see it; empty: the bundled one's Service."
    )
    public_url: str = Field(
        "",
        pattern=_Origin,
        description="As clients see it; of the bundled one empty: its "
        "Ingress, else a port-forward.",
    )
    bucket: str = Field("imagerift", min_length=3, description="Bucket of sources and outputs.")
    region: str = Field("us-east-1", min_length=1, description="Region that signatures name.")
    addressing: Literal["path", "virtual"] = Field(
        "path", description="Where the bucket is named: in the path, or in the host."
    )
    existing_secret: S3Keys = Field(default_factory=S3Keys)
    workload_identity: bool = Field(
        False,
        description="No keys: the cloud gives the pods' service accounts a role (docs/clouds.md).",
    )
    bundled: BundledS3 = Field(default_factory=BundledS3)


class Secrets(Part):
    """The API's own secrets."""

    existing_secret: NameOrNone = Field(
        "",
        description="Secret with `key-pepper`, and where wanted `admin-token` (of the admin REST "
        "API), `session-key`, `webhook-key`, `oidc-client-secret`, `sign-in-users.json`. Empty: a "
        "pepper and a token are made once and kept.",
    )
    existing_bundled_secret: NameOrNone = Field(
        "",
        description="Secret with the passwords of the bundled servers (docs/install.md#gitops). "
        "Empty: they are made once and kept.",
    )
    existing_model_secret: NameOrNone = Field(
        "",
        description="Secret with `model-token`, by which model servers know the operator. "
        "Empty: it is made once and kept.",
    )
    allow_new_each_render: bool = Field(
        False,
        description="To look at what is rendered without the cluster, where nothing can be kept: "
        "make new secrets each time.",
    )


class Tenants(Part):
    """Workspaces, keys, webhooks, plans and modes as resources (docs/tenants.md)."""

    enabled: bool = Field(
        False,
        description="Have the operator follow them: it may make Secrets, which hold keys' tokens "
        "and webhooks' secrets, and is told the pepper. The definitions of imagerift-crds must be "
        "installed.",
    )


class ModelTls(Part):
    """TLS between the operator and the servers of pools with a template."""

    existing_secret: NameOrNone = Field(
        "",
        description="Secret with `tls.crt` and `tls.key` of the servers, and `ca.crt` of an "
        "authority that signs nothing else: servers are called by address. Empty: no TLS.",
    )


class ModelServers(Part):
    """How the operator and the model servers know one another."""

    token_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts, or host:port, of pools' endpoints that are told the token; "
        "servers of pools with a template always are.",
    )
    tls: ModelTls = Field(default_factory=ModelTls)


class Tracing(Part):
    """Spans of jobs, by OpenTelemetry."""

    endpoint: str = Field(
        "",
        pattern=r"^(https?://[^?#@]+)?$",
        description="Where spans are sent by OTLP over HTTP; empty: none are recorded.",
    )


class Values(Part):
    """Values of the chart `imagerift`."""

    global_: Global = Field(default_factory=Global, alias="global")
    common_labels: Texts = Field(
        default_factory=dict,
        description="Labels of everything that is made, pods of pools and of jobs included.",
    )
    extra_objects: list[Object | str] = Field(
        default_factory=list, description="More objects of yours; templates in them are rendered."
    )
    trust: Trust = Field(default_factory=Trust)
    compatibility: Compatibility = Field(default_factory=Compatibility)
    images: Images = Field(default_factory=Images)
    pod_security_context: PodSecurityContext = Field(default_factory=PodSecurityContext)
    api: Api = Field(default_factory=Api)
    operator: Operator = Field(default_factory=Operator)
    pools: dict[str, Pool] = Field(
        default={
            "default": Pool(
                modes=["style", "scene", "avatar", "enhance", "cutout"],
                slots_per_replica=2,
                template=Template(
                    gpus=0,
                    resources=Resources(
                        requests={"cpu": "1", "memory": "2Gi"}, limits={"cpu": "4", "memory": "6Gi"}
                    ),
                ),
            ),
        },
        description="TritonPools by name, any number; `default: null` takes the shipped one away.",
    )
    allowed_pools: AllowedPools = Field(default_factory=AllowedPools)
    model_servers: ModelServers = Field(default_factory=ModelServers)
    job_pods: JobPodsValues = Field(default_factory=JobPodsValues)
    moderation_model: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.-]{0,128}$",
        description="Safety gate that must judge each job, in pools and job pods alike: a model of "
        "the image's repository, or of the volume at /models/extra (docs/models.md, Safety gate). "
        "Empty: none must.",
    )
    weights: WeightsValues = Field(default_factory=WeightsValues)
    mongodb: MongoDb = Field(default_factory=MongoDb)
    s3: S3 = Field(default_factory=S3)
    secrets: Secrets = Field(default_factory=Secrets)
    tenants: Tenants = Field(default_factory=Tenants)
    plans: dict[str, Plan] = Field(
        default_factory=dict, description="Your plans by name; empty: the shipped ones."
    )
    modes: dict[str, Mode] = Field(
        default_factory=dict, description="Your modes by name; empty: the shipped ones."
    )
    job_ttl_seconds: int | None = Field(
        None,
        ge=0,
        description="Seconds until an ended job's resource goes; null: as its spec says.",
    )
    network_policies: NetworkPolicies = Field(default_factory=NetworkPolicies)
    monitoring: Monitoring = Field(default_factory=Monitoring)
    tracing: Tracing = Field(default_factory=Tracing)
    probe: Probe = Field(default_factory=Probe)


class CrdsCompatibility(Part):
    """Older clusters."""

    kubernetes120: bool = Field(
        False, description="Leave out the rules (CEL) that Kubernetes below 1.25 does not know."
    )


class CrdsValues(Part):
    """Values of the chart `imagerift-crds`."""

    compatibility: CrdsCompatibility = Field(default_factory=CrdsCompatibility)
    keep: bool = Field(
        True, description="Keep the definitions, and so every job, when the chart is uninstalled."
    )
    allow_dropped_fields: bool = Field(
        False, description="Upgrade although stored fields would be dropped."
    )
    roles: bool = Field(
        True,
        description="ClusterRoles to bind: viewers, editors of jobs, keepers of pools, of tenants, "
        "of plans.",
    )
    aggregate_roles: bool = Field(
        False,
        description="Make viewers part of Kubernetes' own `view`, editors of jobs of `edit`: then "
        "who has those reads every prompt. Keepers of anything are never part of them.",
    )
