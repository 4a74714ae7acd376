"""Transactions that nobody goes on with.

The server keeps what a transaction has written locked until it ends, also when the process that
began it was killed or stands still: for a minute, unless `transactionLifetimeLimitSeconds` says
otherwise. Until then nobody else could settle its jobs or admit into its quota.
"""

from __future__ import annotations

from typing import Any

from imagerift_core.mongo.database import APP_NAME
from imagerift_core.mongo.store import Store

# Steps of a transaction follow each other within milliseconds.
IDLE_SECONDS = 3.0


class AbandonedTransactions(Store):
    """Transactions of this application that were begun and left."""

    async def end(self, *, idle_seconds: float = IDLE_SECONDS) -> int:
        """Undoes this application's transactions that were idle for so long; how many there were.

        A process that does go on has its transaction run again, as after any conflict.

        Source: MongoDB manual, `$currentOp` (own operations and idle sessions) and `killSessions`;
        neither needs a privilege for what the same user began.
        """
        admin = self._database.admin
        found = admin.aggregate(
            [
                {"$currentOp": {"allUsers": False, "idleSessions": True}},
                {
                    "$match": {
                        "active": False,
                        "appName": APP_NAME,
                        "transaction.timeInactiveMicros": {"$gt": int(idle_seconds * 1_000_000)},
                    }
                },
            ]
        )
        sessions: list[dict[str, Any]] = [{"id": row["lsid"]["id"]} async for row in found]
        if sessions:
            await admin.command("killSessions", sessions)
        return len(sessions)
