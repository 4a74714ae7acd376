"""Who may talk to whom, as values."""

from __future__ import annotations

from pydantic import Field

from charts.schema.components import (
    Peers,
)
from charts.schema.parts import (
    Object,
    Part,
    Port,
)

_PRIVATE_4 = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
]
_PRIVATE_6 = ["::1/128", "fc00::/7", "fe80::/10"]


class NetworkPolicies(Part):
    """Who may talk to whom. Peers are written as in a NetworkPolicy."""

    enabled: bool = Field(True, description="Make a NetworkPolicy for each component.")
    dns: Peers = Field(
        default=[
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                },
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        description="The cluster's name servers.",
    )
    dns_ports: list[Port] = Field(
        default=[53, 5353],
        min_length=1,
        description="Ports on which their pods listen, whatever their Service's is; "
        "OpenShift's on 5353.",
    )
    clients: Peers = Field(
        default_factory=list,
        description="Who may call the API and a bundled S3, as your Ingress controller; "
        "empty: anyone.",
    )
    metrics: Peers = Field(
        default_factory=list, description="Who may read metrics, as Prometheus; empty: no one."
    )
    mongodb: Peers = Field(default_factory=list, description="Your replica set's members.")
    mongodb_port: int = Field(27017, ge=1, le=65535, description="Their port.")
    s3: Peers = Field(default_factory=list, description="Your S3's addresses or pods.")
    s3_port: Port | None = Field(
        None, description="Port on which its pods listen; null: the one in s3.internalUrl."
    )
    pools: Peers = Field(
        default_factory=list,
        description="Your own Triton servers: those of `pools` here, and of pools made by kubectl.",
    )
    pool_ports: list[Port] = Field(
        default=[8000], description="Their ports, besides those in the endpoints of `pools` here."
    )
    pools_egress: list[Object] = Field(
        default_factory=list,
        description="Rules (to, ports) of what model servers reach besides the object store, as "
        "where their init containers fetch weights; they are sent prompts and photos.",
    )
    weights_egress: list[Object] = Field(
        default=[
            {
                "to": [
                    {"ipBlock": {"cidr": "0.0.0.0/0", "except": _PRIVATE_4}},
                    {"ipBlock": {"cidr": "::/0", "except": _PRIVATE_6}},
                ],
                "ports": [{"port": 443}],
            }
        ],
        description="Rules (to, ports) of what pods that download weights reach besides the object "
        "store: by default the internet by HTTPS, and nothing inside.",
    )
    engines: Peers = Field(
        default_factory=list,
        description="The engines of `pools` and `jobPods` here: their addresses or pods, which the "
        "servers of those pools, or job pods, alone reach.",
    )
    engine_ports: list[Port] = Field(
        default_factory=list,
        description="Ports on which their pods listen; empty: those in the engines' origins.",
    )
    tracing: Peers = Field(default_factory=list, description="Your collector of spans.")
    tracing_port: Port | None = Field(
        None, description="Port on which its pods listen; null: the one in tracing.endpoint."
    )
    oidc: Peers = Field(
        default_factory=list,
        description="The issuer of sign-ins where it is inside; one on the internet needs none.",
    )
    oidc_port: Port | None = Field(
        None, description="Port on which its pods listen; null: the one in api.oidc.issuer."
    )
    identity: Peers = Field(
        default_factory=list,
        description="The token service (STS) of the cloud, or of an object store inside, with "
        "s3.workloadIdentity; empty: any address. The agent of EKS Pod Identity is reached "
        "without.",
    )
    identity_port: Port = Field(443, description="Port on which it, or its pods, listen.")
    proxy: Peers = Field(
        default_factory=list,
        description="The proxy that api.env and operator.env name (HTTPS_PROXY, HTTP_PROXY).",
    )
    proxy_port: Port | None = Field(
        None, description="Port on which its pods listen; null: the one in those variables."
    )
    kubernetes_api: Peers = Field(
        default_factory=list,
        description="The Kubernetes API's addresses (docs/install.md#the-kubernetes-api); empty, "
        "and not found in the cluster: any address.",
    )
    kubernetes_api_from_cluster: bool = Field(
        False,
        description="Name also the addresses and ports at which it is when Helm renders; refused "
        "without the cluster at hand. Servers that come later need another `helm upgrade`.",
    )
    kubernetes_api_ports: list[Port] = Field(
        default=[443, 6443],
        min_length=1,
        description="Ports on which its servers listen: 8443 with minikube, 16443 with MicroK8s.",
    )
    refused_by_webhooks: list[str] = Field(
        default=[*_PRIVATE_4, *_PRIVATE_6],
        description="Where the API may not connect to for webhooks, nor for an issuer that `oidc` "
        "does not name.",
    )
