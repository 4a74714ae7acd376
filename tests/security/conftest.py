"""A replica on real stores, as in the API's own tests."""

from __future__ import annotations

from tests.integration.api.conftest import (
    api,
    bucket,
    database_name,
    environment,
    mongo_url,
    s3_address,
    tenant,
)

__all__ = ["api", "bucket", "database_name", "environment", "mongo_url", "s3_address", "tenant"]
