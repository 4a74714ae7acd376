"""Everything that a platform leaves behind for people to read, gathered as text by its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient

from tests.platform_under_test import PlatformUnderTest
from tests.support.server_processes import s3_client

_KINDS = "events,tritonpools,configmaps,leases.coordination.k8s.io"


def files(platform: PlatformUnderTest) -> Iterator[tuple[str, str]]:
    """The log of each process, what the platform says of its state, and spans."""
    folder = platform.data.parent
    found: list[Path] = [*(platform.data / "logs").iterdir(), platform.data / "state.json"]
    # Not the terminal of `make up`: it shows the demo keys, and is meant to.
    for path in (*found, *folder.glob("*.jsonl")):
        if path.is_file():
            yield path.name, path.read_text(errors="replace")


def metrics(platform: PlatformUnderTest) -> Iterator[tuple[str, str]]:
    """What the processes tell of themselves in numbers."""
    environment = platform.environment
    ports = ("IMAGERIFT_API_METRICS_PORT", "IMAGERIFT_OPERATOR_METRICS_PORT")
    for name in ports:
        answer = httpx.get(f"http://127.0.0.1:{environment[name]}/metrics", trust_env=False)
        assert answer.status_code == 200
        yield name, answer.text


def resources(platform: PlatformUnderTest) -> Iterator[tuple[str, Any]]:
    """Events and resources of the namespace, each as a document; jobs are `watched_jobs`."""
    listed = json.loads(platform.kubectl("get", _KINDS, "-o", "json").stdout)
    for item in listed["items"]:
        yield _named(item)


@contextmanager
def watched_jobs(
    platform: PlatformUnderTest, file: Path
) -> Iterator[Callable[[], list[tuple[str, Any]]]]:
    """Every state of every GenerationJob in the meantime: they are deleted soon after their end.

    Yields a function that gives the documents seen so far; `file` holds them as they come.
    """
    namespace = platform.environment["IMAGERIFT_NAMESPACE"]
    watching = ("kubectl", "-n", namespace, "get", "generationjobs", "--watch", "-o", "json")
    watch = platform.start(*watching, into=file)

    def seen() -> list[tuple[str, Any]]:
        assert watch.poll() is None, "the watch has ended"
        return [_named(item) for item in _documents(file.read_text())]

    try:
        yield seen
    finally:
        watch.terminate()
        watch.wait(timeout=30)


def _named(item: dict[str, Any]) -> tuple[str, Any]:
    return f"{item['kind']} {item['metadata']['name']}", item


def _documents(text: str) -> Iterator[Any]:
    """The whole documents at the beginning of a stream; the last one may be on its way."""
    decoder, start = json.JSONDecoder(), 0
    while (start := text.find("{", start)) >= 0:
        try:
            document, start = decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            return
        yield document


def records(platform: PlatformUnderTest) -> Iterator[tuple[str, Any]]:
    """Every document of the database, by its collection."""
    environment = platform.administrator
    with MongoClient[dict[str, Any]](environment["IMAGERIFT_MONGO_URL"]) as client:
        database = client[environment["IMAGERIFT_MONGO_DATABASE"]]
        for name in database.list_collection_names():
            for document in database[name].find():
                yield name, document


def object_keys(platform: PlatformUnderTest) -> Iterator[tuple[str, str]]:
    """The names of everything in the bucket."""
    with closing(s3_client(platform.environment)) as client:
        bucket = platform.environment["IMAGERIFT_S3_BUCKET"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", []):
                yield "object", item["Key"]


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value in a document as text, and each name, by its path; lists have no places."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{path}.{key}", str(key)
            yield from leaves(value, f"{path}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, path)
    else:
        text = node.decode(errors="replace") if isinstance(node, bytes) else str(node)
        yield path, text
