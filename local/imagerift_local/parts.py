"""The command line of every part: plain functions from values to arguments.

A command holds no secret: those are in files of mode 0600 or in the environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from imagerift_local.layout import DataFolder
from imagerift_local.pki import ControlPlanePki
from imagerift_local.ports import LOOPBACK, Ports

REPLICA_SET = "rs0"
# Nobody needs compressed messages here, and mongod decompresses before it authenticates: that is
# where CVE-2025-14847 was.
NO_COMPRESSION = "--networkMessageCompressors=disabled"
# Go's servers here are small: they may have more garbage, for a third of the collecting.
GO_ENVIRONMENT = {"GOGC": "300"}


def build_etcd_command(
    binary: Path, data: DataFolder, ports: Ports, pki: ControlPlanePki
) -> list[str]:
    """etcd with client certificates; the peer listener serves nobody but this one member."""
    client = f"https://{LOOPBACK}:{ports.etcd}"
    peer = f"http://{LOOPBACK}:{ports.etcd_peer}"
    return [
        str(binary),
        "--name=imagerift",
        f"--data-dir={data.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=imagerift={peer}",
        "--client-cert-auth",
        f"--trusted-ca-file={pki.etcd_authority.certificate}",
        f"--cert-file={pki.etcd.certificate}",
        f"--key-file={pki.etcd.key}",
        "--logger=zap",
        "--log-level=warn",
    ]


def build_apiserver_command(binary: Path, ports: Ports, pki: ControlPlanePki) -> list[str]:
    """kube-apiserver with RBAC and without anonymous users."""
    return [
        str(binary),
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={ports.kube_apiserver}",
        f"--tls-cert-file={pki.apiserver.certificate}",
        f"--tls-private-key-file={pki.apiserver.key}",
        f"--client-ca-file={pki.authority.certificate}",
        f"--etcd-servers=https://{LOOPBACK}:{ports.etcd}",
        f"--etcd-cafile={pki.etcd_authority.certificate}",
        f"--etcd-certfile={pki.etcd_client.certificate}",
        f"--etcd-keyfile={pki.etcd_client.key}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        "--profiling=false",
        "--service-cluster-ip-range=10.96.0.0/16",
        # A loopback address must not become an endpoint of the `kubernetes` Service.
        "--endpoint-reconciler-type=none",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki.service_account_key}",
        f"--service-account-signing-key-file={pki.service_account_key}",
    ]


# Controllers of nodes, clouds and workloads: no node belongs to this cluster.
UNUSED_CONTROLLERS = (
    "nodeipam",
    "nodelifecycle",
    "attachdetach",
    "persistentvolume-expander",
    "ttl",
    "route",
    "service",
    "cloud-node-lifecycle",
)


def build_controller_manager_command(
    binary: Path,
    version: tuple[int, ...],
    kubeconfig: Path,
    ports: Ports,
    pki: ControlPlanePki,
    *,
    unused: Sequence[str] = UNUSED_CONTROLLERS,
) -> list[str]:
    """kube-controller-manager: namespaces, garbage collection, ServiceAccounts and their tokens."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports.kube_controller_manager}",
        f"--tls-cert-file={pki.apiserver.certificate}",
        f"--tls-private-key-file={pki.apiserver.key}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={pki.service_account_key}",
        f"--root-ca-file={pki.authority.certificate}",
        "--leader-elect=false",
        "--profiling=false",
        "--controllers=*," + ",".join(f"-{name}" for name in unused),
        *closed_insecure_port(version),
    ]


def closed_insecure_port(version: tuple[int, ...]) -> list[str]:
    """Closes the port without TLS; versions from 1.24 on have none and do not know the flag."""
    return ["--port=0"] if version < (1, 24) else []


def build_mongod_command(binary: Path, data: DataFolder, ports: Ports) -> list[str]:
    """mongod as the only member of a replica set, for transactions and change streams."""
    return [
        str(binary),
        f"--dbpath={data.mongod}",
        f"--bind_ip={LOOPBACK}",
        f"--port={ports.mongod}",
        f"--replSet={REPLICA_SET}",
        "--oplogSize=512",
        "--wiredTigerCacheSizeGB=0.5",
        "--nounixsocket",
        NO_COMPRESSION,
        # A slow operation would be logged with what it asks for and writes: people's own words.
        "--slowOpSampleRate=0",
        "--setParameter=diagnosticDataCollectionEnabled=false",
    ]


def build_seaweedfs_command(
    binary: Path, data: DataFolder, ports: Ports, identities: Path
) -> list[str]:
    """Every role of SeaweedFS in one process; runs in its own data folder."""
    return [
        str(binary),
        "server",
        f"-dir={data.seaweedfs / 'volumes'}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        f"-master.port={ports.seaweedfs_master}",
        f"-master.port.grpc={ports.seaweedfs_master_grpc}",
        "-master.volumeSizeLimitMB=64",
        # The only master: with the default of 10 s a restart would wait 20 s for its election.
        "-master.electionTimeout=500ms",
        "-master.heartbeatInterval=200ms",
        # Nothing about an installation is told to anybody.
        "-master.telemetry=false",
        f"-volume.port={ports.seaweedfs_volume}",
        f"-volume.port.grpc={ports.seaweedfs_volume_grpc}",
        # Zero: as many volumes as the disk has room for.
        "-volume.max=0",
        "-volume.preStopSeconds=0",
        "-filer",
        f"-filer.port={ports.seaweedfs_filer}",
        f"-filer.port.grpc={ports.seaweedfs_filer_grpc}",
        # Relative: a socket's path may have about 100 characters only.
        "-filer.localSocket=filer.sock",
        "-s3",
        f"-s3.port={ports.s3}",
        f"-s3.port.grpc={ports.s3_grpc}",
        f"-s3.config={identities}",
        "-s3.localSocket=s3.sock",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def build_triton_command(
    binary: Path,
    backends: Path,
    repositories: Sequence[Path],
    ports: Ports,
    *,
    shared_memory_prefix: str,
    lock: str,
    traces_url: str | None = None,
) -> list[str]:
    """tritonserver over HTTP only; with `traces_url` it sends spans there, and no tensors.

    `lock` closes the interfaces that would let a caller change what the server runs or map its
    memory: they want a header with this value, which nobody is told.
    """
    tracing = [
        *("mode=opentelemetry", "level=TIMESTAMPS", "rate=1"),
        f"opentelemetry,url={traces_url}",
        "opentelemetry,resource=service.name=imagerift-triton",
    ]
    return [
        str(binary),
        *(f"--model-repository={repository}" for repository in repositories),
        f"--backend-directory={backends}",
        f"--http-address={LOOPBACK}",
        f"--http-port={ports.triton}",
        f"--http-restricted-api=model-repository,shared-memory,trace,logging:imagerift-lock={lock}",
        "--allow-grpc=false",
        "--allow-metrics=false",
        "--model-control-mode=none",
        "--exit-timeout-secs=5",
        f"--backend-config=python,shm-region-prefix-name={shared_memory_prefix}",
        *(f"--trace-config={setting}" for setting in tracing if traces_url),
    ]


def traces_url(environment: Mapping[str, str]) -> str | None:
    """Where spans go, by the standard variables; Triton knows none of them itself."""
    own = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return own or (f"{base.rstrip('/')}/v1/traces" if base else None)


def build_identities(access_key: str, secret_key: str) -> dict[str, object]:
    """SeaweedFS's list of users: the platform alone."""
    return {
        "identities": [
            {
                "name": "imagerift",
                "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }
        ]
    }


def build_security_settings(jwt_key: str) -> str:
    """SeaweedFS's security.toml: its internal ports want tokens, only S3 is open to users."""
    sections = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    return "\n".join(
        f'[{section}]\nkey = "{jwt_key}"\nexpires_after_seconds = 10\n' for section in sections
    )


def guarded(command: Sequence[str]) -> list[str]:
    """The command, killed by the kernel when its parent dies, however the parent dies."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]
