"""Everything that speaks to MongoDB. No other module knows the driver."""

from imagerift_core.mongo.database import Database, connect, translated_errors
from imagerift_core.mongo.driver_errors import StoreRefused

__all__ = ["Database", "StoreRefused", "connect", "translated_errors"]
