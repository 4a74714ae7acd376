"""Everything that speaks to MongoDB. No other module knows the driver."""

from imagerift_core.mongo.database import Database, connect, translated_errors

__all__ = ["Database", "connect", "translated_errors"]
