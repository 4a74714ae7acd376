"""A janitor that has only a database and a bucket to sweep."""

from __future__ import annotations

from typing import Any

from imagerift_core.mongo import Database
from imagerift_core.s3 import ObjectStore
from imagerift_operator.janitor import PATIENCE, Janitor, Patience


def sweeping(database: Database, store: ObjectStore, *, patience: Patience = PATIENCE) -> Janitor:
    none: Any = None
    return Janitor(
        database=database,
        store=store,
        kube=none,
        feed=none,
        scheduler=none,
        dispatcher=none,
        writer=none,
        leadership=none,
        queue=none,
        metrics=none,
        namespace="imagerift",
        patience=patience,
    )
