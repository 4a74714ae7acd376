"""Everything that speaks to MongoDB. No other module knows the driver."""

from imagerift_core.mongo.database import Database, connect
from imagerift_core.mongo.driver_errors import StoreRefused
from imagerift_core.mongo.stores import Stores

__all__ = ["Database", "StoreRefused", "Stores", "connect"]
