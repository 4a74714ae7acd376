"""What the classes of this package have in common: each is the face of one aggregate."""

from __future__ import annotations

import inspect

from imagerift_core.mongo.database import Database
from imagerift_core.mongo.driver_errors import translated


class Store:
    """What may be asked of one aggregate, and what may become of it.

    Every public method of a subclass is asynchronous and `translated`. One instance serves
    any number of callers.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, member in list(vars(cls).items()):
            if inspect.isfunction(member) and not name.startswith("_"):
                setattr(cls, name, translated(member))
