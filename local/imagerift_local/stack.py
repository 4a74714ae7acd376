"""Puts the parts of one start together: settings, ports, secrets and programs in, parts out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

from imagerift_local import parts
from imagerift_local.cluster import Cluster, connect_cluster
from imagerift_local.data_versions import minor_version
from imagerift_local.demo import write_sign_in_users
from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private
from imagerift_local.kubeconfig import cluster_of, holder_of, read_cluster, write_kubeconfig
from imagerift_local.layout import DataFolder
from imagerift_local.leftovers import sweep_shared_memory, sweep_sockets
from imagerift_local.pki import ControlPlanePki, ensure_peers, ensure_pki
from imagerift_local.pool import lay_out, read_pool, served_modes
from imagerift_local.ports import LOOPBACK, Ports
from imagerift_local.probes import Probe, always_ready, client_tls, http_probe, tcp_probe
from imagerift_local.provision.libraries import library_environment
from imagerift_local.provision.routes import Provision
from imagerift_local.provision.triton import library_path
from imagerift_local.replica_set import ensure_replica_set, replica_set_url
from imagerift_local.seaweedfs import build_identities, build_security_settings, ensure_bucket
from imagerift_local.secrets import PlatformSecrets
from imagerift_local.settings import (
    ALL_PARTS,
    CHECKOUT,
    PlatformSettings,
    started_parts,
    wanted_parts,
)
from imagerift_local.supervisor import STOP_GRACE, Part

VISION = CHECKOUT / "triton_models"
# What a child process sees of the environment besides its own variables; at last CAs of one's own.
PASSED_ON = (
    *("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE"),
)


@dataclass(frozen=True)
class Stack:
    """Everything that decides what one start runs."""

    settings: PlatformSettings
    data: DataFolder
    ports: Ports
    secrets: PlatformSecrets
    provisions: Mapping[str, Provision]

    @property
    def admin_kubeconfig(self) -> Path:
        """Kubeconfig of an administrator of the cluster."""
        return self.settings.kubeconfig or self.data.kubeconfig("admin")

    @property
    def triton_url(self) -> str:
        """Address of Triton."""
        return (self.settings.triton_url or self._address("triton")).rstrip("/")

    @property
    def s3_url(self) -> str:
        """S3 endpoint inside the platform."""
        return (self.settings.s3_url or self._address("seaweedfs")).rstrip("/")

    @property
    def api_url(self) -> str:
        """Address of the API."""
        return self._address("api")

    def environment(self) -> dict[str, str]:
        """The variables with which programs use the platform, as administrators."""
        settings, own = self.settings, self.secrets
        mongo = settings.mongo_url
        access, secret = settings.s3_access_key, settings.s3_secret_key
        return {
            "IMAGERIFT_MONGO_URL": (
                mongo.get_secret_value()
                if mongo
                else replica_set_url(self.ports.mongod, own.mongo_password)
            ),
            "IMAGERIFT_MONGO_DATABASE": settings.mongo_database,
            "IMAGERIFT_S3_INTERNAL_URL": self.s3_url,
            "IMAGERIFT_S3_PUBLIC_URL": settings.s3_public_url or self.s3_url,
            "IMAGERIFT_S3_BUCKET": settings.s3_bucket,
            "IMAGERIFT_S3_REGION": settings.s3_region,
            "IMAGERIFT_S3_ACCESS_KEY": access.get_secret_value() if access else own.s3_access_key,
            "IMAGERIFT_S3_SECRET_KEY": secret.get_secret_value() if secret else own.s3_secret_key,
            "IMAGERIFT_NAMESPACE": settings.namespace,
            "IMAGERIFT_KEY_PEPPER": own.key_pepper,
            "IMAGERIFT_ADMIN_TOKEN": own.admin_token,
            "IMAGERIFT_TENANTS": "true",
            "IMAGERIFT_MODEL_TOKEN": os.environ.get("IMAGERIFT_MODEL_TOKEN") or own.model_token,
            "IMAGERIFT_API_HOST": LOOPBACK,
            "IMAGERIFT_API_PORT": str(self.ports.api),
            "IMAGERIFT_API_METRICS_PORT": str(self.ports.api_metrics),
            "IMAGERIFT_API_URL": self.api_url,
            "IMAGERIFT_PUBLIC_URL": self.api_url,
            "IMAGERIFT_SIGN_IN_USERS_FILE": str(self.data.sign_in_users),
            "IMAGERIFT_OPERATOR_HOST": LOOPBACK,
            "IMAGERIFT_OPERATOR_HEALTH_PORT": str(self.ports.operator_health),
            "IMAGERIFT_OPERATOR_METRICS_PORT": str(self.ports.operator_metrics),
            "IMAGERIFT_TRITON_URL": self.triton_url,
            "KUBECONFIG": str(self.admin_kubeconfig),
        }

    def build_parts(self) -> list[Part]:
        """The parts, in the order of the board."""
        own: dict[str, Callable[[], Part]] = {
            "etcd": self._etcd,
            "kube-apiserver": self._apiserver,
            "kube-controller-manager": self._controller_manager,
            "mongod": self._mongod,
            "seaweedfs": self._seaweedfs,
            "triton": self._triton,
            "operator": partial(self._service, "operator"),
            "api": self._api,
        }
        triton_ready = f"{self.triton_url}{parts.TABLE['triton']['health']}"
        existing = {
            "kube-apiserver": self._existing_apiserver,
            # The connection string may hold a password and name several servers.
            "mongod": lambda: Part("mongod", "as set", always_ready),
            "seaweedfs": self._existing_s3,
            "triton": lambda: Part("triton", self.triton_url, http_probe(triton_ready)),
        }
        wanted, started = wanted_parts(self.settings), started_parts(self.settings)
        builders = {name: (own if name in started else existing).get(name) for name in ALL_PARTS}
        return [build() for name, build in builders.items() if name in wanted and build]

    def cluster(self) -> AbstractAsyncContextManager[Cluster]:
        """A client with an administrator's rights."""
        return connect_cluster(self.admin_kubeconfig, self.settings.namespace)

    @cached_property
    def _pki(self) -> ControlPlanePki:
        return ensure_pki(self.data.pki)

    def _etcd(self) -> Part:
        pki = self._pki
        return self._child(
            "etcd",
            self._build("etcd", self.provisions["etcd"].files["etcd"], pki=pki),
            tls=client_tls(pki.etcd_authority, pki.etcd_client),
        )

    def _existing_apiserver(self) -> Part:
        server = read_cluster(self.admin_kubeconfig)["server"]
        address = urlsplit(server)
        port = address.port or (443 if address.scheme == "https" else 80)
        ready = tcp_probe(address.hostname or LOOPBACK, port)

        async def set_up() -> None:
            await self._install_cluster()
            await self._write_account_kubeconfigs()

        return Part("kube-apiserver", server, ready, after_ready=set_up)

    def _apiserver(self) -> Part:
        pki, binary = self._pki, self.provisions["kubernetes"].files["kube-apiserver"]
        for user, pair in (("admin", pki.admin), ("controller-manager", pki.controller_manager)):
            write_kubeconfig(
                self.data.kubeconfig(user),
                cluster=cluster_of(self._address("kube-apiserver"), pki.authority.certificate),
                user=user,
                credentials=holder_of(pair),
                namespace=self.settings.namespace,
            )
        return self._child(
            "kube-apiserver",
            self._build("kube-apiserver", binary, pki=pki),
            tls=client_tls(pki.authority, pki.admin),
            after_ready=self._install_cluster,
        )

    def _controller_manager(self) -> Part:
        kubernetes, pki = self.provisions["kubernetes"], self._pki
        command = parts.build_controller_manager_command(
            kubernetes.files["kube-controller-manager"],
            minor_version(kubernetes.version),
            kubeconfig=self.data.kubeconfig("controller-manager"),
            ports=self.ports,
            pki=pki,
        )
        return self._child(
            "kube-controller-manager",
            command,
            tls=client_tls(pki.authority, pki.admin),
            after_ready=self._write_account_kubeconfigs,
        )

    def _mongod(self) -> Part:
        mongod = self.provisions["mongod"].files["mongod"]
        write_private(self.data.mongod_key, self.secrets.mongod_key)
        return self._child(
            "mongod",
            self._build("mongod", mongod),
            ready=tcp_probe(LOOPBACK, self.ports.mongod),
            environment=library_environment(mongod),
            after_ready=partial(
                ensure_replica_set, self.ports.mongod, self.settings.mongo_database, self.secrets
            ),
        )

    def _existing_s3(self) -> Part:
        if self.settings.s3_access_key is None or self.settings.s3_secret_key is None:
            raise PlatformError(
                "IMAGERIFT_LOCAL_S3_URL needs IMAGERIFT_LOCAL_S3_ACCESS_KEY and _SECRET_KEY"
            )
        answered = frozenset({200, 400, 403, 404, 405})
        return Part("seaweedfs", self.s3_url, http_probe(self.s3_url, expected=answered))

    def _seaweedfs(self) -> Part:
        folder, own = self.data.seaweedfs, self.secrets
        (folder / "volumes").mkdir(exist_ok=True, mode=0o700)
        bucket = self.settings.s3_bucket
        write_private(folder / "identities.json", build_identities(bucket, own))
        authority, holder = ensure_peers(self.data.pki, "seaweedfs")
        security = build_security_settings(own.jwt_key, authority, holder)
        # Read from the folder that the server runs in.
        write_private(folder / "security.toml", security)

        async def sweep() -> None:
            sweep_sockets(self.ports)

        front = http_probe(self.s3_url, expected=frozenset({200, 403}))
        # Can a file be written? The volume server announces itself some time after the start.
        assign = f"https://{LOOPBACK}:{self.ports.seaweedfs_master}/dir/assign"
        master = http_probe(assign, tls=client_tls(authority, holder))

        async def ready() -> bool:
            return await front() and await master()

        return self._child(
            "seaweedfs",
            self._build("seaweedfs", self.provisions["seaweedfs"].files["weed"]),
            ready=ready,
            folder=folder,
            after_ready=partial(ensure_bucket, self.ports.seaweedfs_filer, bucket, own.jwt_key),
            after_stop=sweep,
        )

    def _triton(self) -> Part:
        triton = self.provisions["triton"]

        async def sweep() -> None:
            sweep_shared_memory(self.data.shared_memory_prefix)

        pool = read_pool(self.settings.pool)
        chosen = lay_out(pool, self.data.models)
        if "diffusion" in pool.provisions:
            chosen["IMAGERIFT_DIFFUSION_SITE"] = str(self.provisions["diffusion"].files["site"])
        networks = self.provisions.get("networks")
        if networks is not None:
            chosen["IMAGERIFT_WEIGHTS"] = str(networks.files["folder"])
        told = networks.version if networks else "packaged networks"
        write_private(self.data.networks, told.replace(": ", "\n  ").replace(", ", "\n  "))
        origin = urlsplit(self.s3_url)
        write_private(self.data.model_token, self.environment()["IMAGERIFT_MODEL_TOKEN"])
        return self._child(
            "triton",
            parts.build_triton_command(
                [triton.files["python"], "-m", "imagerift_front", triton.files["tritonserver"]],
                [self.data.models, *self.settings.extra_models],
                parts.traces_url(os.environ),
                backends=triton.files["backends"],
                data=self.data,
            ),
            environment={
                "IMAGERIFT_FRONT_PORT": str(self.ports.triton),
                "IMAGERIFT_FRONT_TOKEN_FILE": str(self.data.model_token),
                "PATH": f"{triton.files['environment'] / 'bin'}:{os.environ.get('PATH', '')}",
                "PYTHONPATH": f"{VISION}:{triton.files['site']}",
                "LD_LIBRARY_PATH": library_path(triton),
                "IMAGERIFT_S3_ORIGIN": f"{origin.scheme}://{origin.netloc}",
                "IMAGERIFT_CONTROL_DIR": str(self.data.control),
                **chosen,
                "OMP_NUM_THREADS": chosen["IMAGERIFT_THREADS"],
            },
            before_start=sweep,
            after_stop=sweep,
        )

    def _api(self) -> Part:
        write_sign_in_users(self.data.sign_in_users, self.secrets.demo_password)
        return self._service("api")

    def _service(self, name: str) -> Part:
        account = f"imagerift-{name}"
        return self._child(
            name,
            self._build(name, Path(sys.executable)),
            environment=self._service_environment(account),
            after=self._needs_of_account(account),
        )

    def _needs_of_account(self, account: str) -> tuple[str, ...]:
        """What must be ready before a service can use its account.

        Its token is made by the controller manager, once: a later start in the same folder need
        not wait for it.
        """
        known = self.data.kubeconfig(account)
        own = self.settings.kubeconfig is None and known.exists()
        if own and read_cluster(known)["server"] == self._address("kube-apiserver"):
            return ("kube-apiserver",)
        return ("kube-apiserver", "kube-controller-manager")

    def _service_environment(self, account: str) -> dict[str, str]:
        # Settings of the services that the platform does not make go through as they are.
        passed = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("IMAGERIFT_", "OTEL_")) and not name.startswith("IMAGERIFT_LOCAL_")
        }
        told = {"IMAGERIFT_MODEL_TOKEN_HOSTS": urlsplit(self._address("triton")).netloc}
        own = {**self.environment(), "KUBECONFIG": str(self.data.kubeconfig(account))}
        return {**told, **passed, **own}

    def _address(self, part: str) -> str:
        return str(parts.TABLE[part]["address"].format(ports=self.ports))

    def _build(self, part: str, binary: Path, **values: object) -> list[str]:
        return parts.build_command(part, binary, data=self.data, ports=self.ports, **values)

    def _child(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready: Probe | None = None,
        tls: SSLContext | None = None,
        environment: Mapping[str, str] | None = None,
        after: tuple[str, ...] = (),
        **more: Any,
    ) -> Part:
        table, address = parts.TABLE[name], self._address(name)
        base = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        return Part(
            name=name,
            address=address,
            ready=ready or http_probe(f"{address}{table['health']}", tls=tls),
            command=command,
            environment={**base, **table.get("environment", {}), **(environment or {})},
            log=self.data.log(name),
            after=(*table.get("after", ()), *after),
            stop_before=tuple(table.get("stop_before", ())),
            stop_grace=table.get("stop_grace", STOP_GRACE),
            **more,
        )

    async def _install_cluster(self) -> None:
        pool = read_pool(self.settings.pool)
        modes = served_modes(pool, self.settings.extra_models)
        async with self.cluster() as cluster:
            await cluster.install(endpoint=self.triton_url, modes=modes, slots=pool.slots)

    async def _write_account_kubeconfigs(self) -> None:
        known = read_cluster(self.admin_kubeconfig)
        async with self.cluster() as cluster:
            tokens = await cluster.account_tokens()
        for account, token in tokens.items():
            write_kubeconfig(
                self.data.kubeconfig(account),
                cluster=known,
                user=account,
                credentials={"token": token},
                namespace=self.settings.namespace,
            )
