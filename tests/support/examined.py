"""What MongoDB examines for the commands that a client sends, by its own `explain`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

# What may be examined beside what is asked for: bounds of ranges, and ties.
MARGIN = 12
_OF_THE_SESSION = frozenset({"lsid", "txnNumber", "startTransaction", "autocommit", "readConcern"})
_NOT_EXPLAINED = _OF_THE_SESSION | {"writeConcern", "maxTimeMS"}


@dataclass(frozen=True)
class Query:
    """One command as MongoDB explains it. `found` is how many documents it is about."""

    caller: str
    kind: str
    collection: str
    stages: frozenset[str]
    indexes: tuple[str, ...]
    found: int
    keys: int
    documents: int

    @property
    def fault(self) -> str | None:
        """What is wrong with it, None where nothing is."""
        most = 2 * self.found + MARGIN
        if "COLLSCAN" in self.stages:
            return f"{self.caller} reads all of {self.collection}"
        if self.keys > most or self.documents > most:
            return (
                f"{self.caller} examines {self.keys} keys and {self.documents} documents of "
                f"{self.collection} for {self.found}"
            )
        return None


class Examiner(CommandListener):
    """Explains each command of one database before it is run, while it has a caller's name."""

    def __init__(self, client: MongoClient[dict[str, Any]], name: str) -> None:
        self.name = name
        self._database = client[name]
        self._caller: str | None = None
        self.queries: list[Query] = []
        self.errors: list[str] = []

    @contextmanager
    def calling(self, caller: str) -> Iterator[None]:
        self._caller = caller
        try:
            yield
        finally:
            self._caller = None

    def started(self, event: CommandStartedEvent) -> None:
        caller = self._caller
        if caller is None or event.database_name != self._database.name:
            return
        try:
            for command, query, most in _explainable(dict(event.command)):
                self.queries.append(self._explained(caller, command, query, most))
        except Exception as error:  # noqa: BLE001 - the driver would swallow it
            self.errors.append(f"{caller}: {event.command_name}: {error}")

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Only starts are of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Only starts are of interest."""

    def _explained(
        self, caller: str, command: dict[str, Any], query: dict[str, Any], most: int
    ) -> Query:
        kind, collection = next(iter(command.items()))
        told = self._database.command({"explain": command, "verbosity": "executionStats"})
        nodes = list(_nodes(told))
        plans = list(_nodes([node["winningPlan"] for node in nodes if "winningPlan" in node]))
        stats = [node for node in nodes if "totalKeysExamined" in node]
        options: dict[str, Any] = {"limit": most} if most else {}
        return Query(
            caller=caller,
            kind=kind,
            collection=collection,
            stages=frozenset(str(plan["stage"]) for plan in plans if "stage" in plan),
            indexes=tuple(sorted({plan["indexName"] for plan in plans if "indexName" in plan})),
            found=self._database[collection].count_documents(query, **options),
            keys=sum(node["totalKeysExamined"] for node in stats),
            documents=sum(node["totalDocsExamined"] for node in stats),
        )


def _explainable(command: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any], int]]:
    """Each query of a command: to be explained, what it asks for, and how many it wants at most."""
    kind, collection = next(iter(command.items()))
    if kind == "find":
        yield _bare(command), command.get("filter", {}), command.get("limit", 0)
    elif kind == "findAndModify":
        yield _bare(command), command.get("query", {}), 1
    elif kind in {"update", "delete"}:
        for each in command[f"{kind}s"]:
            alone = {kind: collection, f"{kind}s": [each]}
            many = each.get("multi") or each.get("limit") == 0
            yield alone, each["q"], 0 if many else 1
    elif kind == "aggregate" and "$changeStream" not in command["pipeline"][0]:
        first = command["pipeline"][0]
        limits = [stage["$limit"] for stage in command["pipeline"] if "$limit" in stage]
        yield _bare(command), first.get("$match", {}), min(limits, default=0)


def _bare(command: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in command.items()
        if name not in _NOT_EXPLAINED and not name.startswith("$")
    }


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object inside of a document, but for plans that were not chosen."""
    if isinstance(tree, dict):
        yield tree
        for name, child in tree.items():
            if name not in {
                "rejectedPlans",
                "executionStages",
                "allPlansExecution",
                "slotBasedPlan",
            }:
                yield from _nodes(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)


def table_of(queries: list[Query]) -> str:
    """The queries as a table of Markdown: of each caller and index the one that examined the most.

    What is found by its id is left out.
    """
    rows: dict[tuple[str, str, tuple[str, ...]], Query] = {}
    for query in queries:
        place = (query.caller, query.collection, query.indexes)
        by_id = set(query.indexes) <= {"_id_"} and "COLLSCAN" not in query.stages
        if not by_id and (place not in rows or rows[place].keys < query.keys):
            rows[place] = query
    lines = [
        "| asked by | command | index | found | keys | documents |",
        "|---|---|---|---|---|---|",
    ]
    for query in rows.values():
        index = ", ".join(f"`{name}`" for name in query.indexes) or "none"
        lines.append(
            f"| `{query.caller}` | {query.kind} `{query.collection}` | {index} | {query.found} "
            f"| {query.keys} | {query.documents} |"
        )
    return "\n".join(lines)
