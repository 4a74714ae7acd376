"""Which versions have used a data folder, and which programs may open it after them."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from imagerift_local.errors import DataVersionError
from imagerift_local.files import read_json, write_json
from imagerift_local.layout import DataFolder

Version = tuple[int, ...]
"""Major and minor number; patches of one minor version always open each other's data."""

TITLES = {"etcd": "etcd", "kubernetes": "Kubernetes", "mongod": "MongoDB"}
# etcd's own markers lie right behind their keys in its database: the version of the cluster, which
# every version writes, and since 3.6 the version of the storage.
ETCD_MARKER = re.compile(rb"(?:clusterVersion|storageVersion)(\d+)\.(\d+)\.\d+")
# What MongoDB 6.0 writes into a new folder; it is the oldest version that is ever started here.
MONGOD_6_MARKER = "WiredTiger 10.0."
# Folders from before versions were recorded: this etcd came with this Kubernetes alone.
UNRECORDED_ETCD, UNRECORDED_KUBERNETES = (3, 4), (1, 20)
# Since this version nothing that the platform stores has a beta version.
KUBERNETES_STABLE = (1, 29)


def opens_etcd(program: Version, data: Version) -> bool:
    """etcd opens its own minor version's data and those of the one before; it never goes back.

    Across two minor versions it panics on the older one's log.
    """
    return program[0] == data[0] and 0 <= program[1] - data[1] <= 1


def opens_kubernetes(program: Version, data: Version) -> bool:
    """An API server reads what older ones stored, as long as it knows the stored versions.

    It never goes back, since a newer one may have stored versions that it does not know.
    """
    one_step = program[0] == data[0] and 0 <= program[1] - data[1] <= 1
    return one_step or (program > data >= KUBERNETES_STABLE)


def opens_mongod(program: Version, data: Version) -> bool:
    """mongod opens data whose featureCompatibilityVersion is its own or the release before.

    That version is the one of the program that made the folder: nothing here ever raises it.
    """
    major, minor = program
    before = {(major, 0), (major, minor - 1)} if minor else {(major - 1, 0)}
    return data in {program, *before}


OPENS: Mapping[str, Callable[[Version, Version], bool]] = {
    "etcd": opens_etcd,
    "kubernetes": opens_kubernetes,
    "mongod": opens_mongod,
}


class DataVersions:
    """What is known about the versions behind one data folder."""

    def __init__(self, data: DataFolder) -> None:
        self._data = data

    def read(self) -> dict[str, Version]:
        """The version that each part's data are of, as far as there are data and it is known."""
        found: dict[str, Version] = {}
        recorded = self._recorded()
        if self._etcd_database.exists():
            etcd = max(recorded.get("etcd", ()), _etcd_marker(self._etcd_database))
            kubernetes = recorded.get("kubernetes", ())
            if not kubernetes and etcd == UNRECORDED_ETCD:
                kubernetes = UNRECORDED_KUBERNETES
            found |= {"etcd": etcd, "kubernetes": kubernetes}
        wired_tiger = self._data.mongod / "WiredTiger"
        if wired_tiger.exists():
            made_by_6 = MONGOD_6_MARKER in wired_tiger.read_text(errors="replace")
            found["mongod"] = recorded.get("mongod", (6, 0) if made_by_6 else ())
        return {part: version for part, version in found.items() if version}

    def check(self, part: str, program: str) -> None:
        """Refuses a program that cannot open the folder's data; other parts have no data here.

        Raises:
            DataVersionError: says which versions meet, and what can be done.
        """
        data = self.read().get(part)
        if data is None or OPENS[part](minor_version(program), data):
            return
        title, version = TITLES[part], ".".join(map(str, data))
        raise DataVersionError(
            f"the data in {self._data.root} are those of {title} {version}, which {title} {program}"
            f" cannot open: put {title} {version} on PATH, give another --data-dir, or delete the"
            " data with `make reset`"
        )

    def record(self, programs: Mapping[str, str]) -> None:
        """Notes the programs that are about to use the folder, by part."""
        known = self.read()
        for part in OPENS.keys() & programs.keys():
            used = minor_version(programs[part])
            # mongod leaves the data of an older version as they are.
            known[part] = known.get(part, used) if part == "mongod" else used
        texts = {part: ".".join(map(str, version)) for part, version in sorted(known.items())}
        write_json(self._data.versions, texts)

    @property
    def _etcd_database(self) -> Path:
        return self._data.etcd / "member" / "snap" / "db"

    def _recorded(self) -> dict[str, Version]:
        try:
            stored = read_json(self._data.versions)
            return {part: minor_version(text) for part, text in stored.items()}
        except (ValueError, AttributeError):
            return {}


def minor_version(text: str) -> Version:
    """`1.34.7` as `(1, 34)`."""
    major, minor, *_ = text.split(".")
    return int(major), int(minor)


def _etcd_marker(database: Path) -> Version:
    with database.open("rb") as file:
        if not database.stat().st_size:
            return ()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = [(int(match[1]), int(match[2])) for match in ETCD_MARKER.finditer(content)]
    return max(found, default=())
