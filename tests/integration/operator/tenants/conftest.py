"""A namespace with an operator of tenants, on one API server for all of these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from imagerift_core.kube import Kube
from imagerift_core.mongo import Database
from kubernetes.aio import client

from tests.contract.conftest import kubeconfig
from tests.contract.kube.conftest import administrator, definitions, kube, namespace
from tests.integration.operator.tenants.cluster import Cluster, cluster_on

__all__ = ["administrator", "definitions", "kube", "kubeconfig", "namespace"]


@pytest.fixture
async def cluster(
    administrator: client.ApiClient, kube: Kube, database: Database
) -> AsyncIterator[Cluster]:
    async with cluster_on(administrator, kube, database) as made:
        yield made
