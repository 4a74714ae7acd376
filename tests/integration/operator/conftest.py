"""An empty database and a bucket for each test, on real servers."""

from __future__ import annotations

from tests.contract.conftest import mongo_url, s3_address
from tests.contract.mongo.conftest import database, opened_database
from tests.contract.s3.conftest import bucket, store

__all__ = ["bucket", "database", "mongo_url", "opened_database", "s3_address", "store"]
