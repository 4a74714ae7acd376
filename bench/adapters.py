"""The product's own adapters, and accounts, on a platform that a bench runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from imagerift_core.kube import Kube, connect_kube
from imagerift_core.mongo import Database, connect
from imagerift_core.s3 import ObjectStore, open_store
from imagerift_core.settings import SharedSettings
from pydantic import SecretStr

from tests.platform_under_test import PlatformUnderTest

CONNECTIONS = 64


@dataclass(frozen=True)
class Account:
    """A workspace of the plan `load` and a key of it."""

    workspace: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Adapters:
    """What reaches the platform's stores, and the API as a client reaches it."""

    platform: PlatformUnderTest
    database: Database
    store: ObjectStore
    kube: Kube
    http: aiohttp.ClientSession


def new_account(platform: PlatformUnderTest) -> Account:
    made = platform.admin("workspace", "create", "--name", "bench", "--plan", "load")
    workspace = made["workspaceId"]
    key = platform.admin("key", "create", "--workspace", workspace, "--name", "bench")
    return Account(workspace, key["token"])


@asynccontextmanager
async def open_adapters(platform: PlatformUnderTest) -> AsyncIterator[Adapters]:
    environment = platform.environment
    settings = SharedSettings(
        mongo_url=SecretStr(environment["IMAGERIFT_MONGO_URL"]),
        mongo_database=environment["IMAGERIFT_MONGO_DATABASE"],
        s3_internal_url=environment["IMAGERIFT_S3_INTERNAL_URL"],
        s3_public_url=environment["IMAGERIFT_S3_PUBLIC_URL"],
        s3_bucket=environment["IMAGERIFT_S3_BUCKET"],
        s3_region=environment["IMAGERIFT_S3_REGION"],
        s3_access_key=SecretStr(environment["IMAGERIFT_S3_ACCESS_KEY"]),
        s3_secret_key=SecretStr(environment["IMAGERIFT_S3_SECRET_KEY"]),
        namespace=environment["IMAGERIFT_NAMESPACE"],
    )
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(
            connect(settings.mongo_url.get_secret_value(), settings.mongo_database)
        )
        store = await enter(open_store(settings))
        kube = await enter(
            connect_kube(
                Path(environment["KUBECONFIG"]), settings.namespace, connections=CONNECTIONS
            )
        )
        http = await enter(
            aiohttp.ClientSession(
                platform.api_url,
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=None, sock_read=300),
            )
        )
        yield Adapters(platform, database, store, kube, http)
