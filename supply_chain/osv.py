"""OSV, the open database of advisories, by its published interface.

Source: https://google.github.io/osv.dev/post-v1-querybatch/ (at most 1,000 queries; answers in
their order, each with a token where there is more), https://google.github.io/osv.dev/get-v1-vulns/
and the OSV schema (https://ossf.github.io/osv-schema/).
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cvss import CVSS2, CVSS3, CVSS4, CVSSError

from supply_chain.components import Component

URL = "https://api.osv.dev"
_AT_ONCE = 1000
_SECONDS = 30.0
_SCORES = {"CVSS_V2": CVSS2, "CVSS_V3": CVSS3, "CVSS_V4": CVSS4}

Severity = Literal["none", "low", "medium", "high", "critical", "unknown"]
_WORDS: dict[str, Severity] = {"moderate": "medium", **{word: word for word in get_args(Severity)}}
# Nobody has said how bad it is: as bad as can be until somebody looks.
WORST_LAST: tuple[Severity, ...] = ("none", "low", "medium", "high", "critical", "unknown")


class Unreachable(Exception):
    """OSV did not answer, or not as it says it does: nothing is known."""


@dataclass(frozen=True)
class Advisory:
    """A hole that is known in a version; `ids` are all of its names, OSV's first."""

    ids: tuple[str, ...]
    severity: Severity
    summary: str

    @property
    def id(self) -> str:
        return self.ids[0]


class Osv:
    """One OSV, at `url`."""

    def __init__(self, url: str = URL) -> None:
        self._url = url.rstrip("/")
        self._records: dict[str, dict[str, Any] | None] = {}

    def advisories(self, components: Sequence[Component]) -> dict[Component, list[Advisory]]:
        """What is known of each; withdrawn ones are left out. Raises `Unreachable`."""
        found: dict[Component, list[Advisory]] = {}
        for component, ids in self._ids(components).items():
            known = [self._advisory(one) for one in ids]
            found[component] = [advisory for advisory in known if advisory is not None]
        return found

    def _ids(self, components: Sequence[Component]) -> dict[Component, list[str]]:
        found: dict[Component, list[str]] = {component: [] for component in components}
        waiting = [(component, _query(component)) for component in components]
        while waiting:
            asked, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            answer = self._ask("/v1/querybatch", {"queries": [query for _, query in asked]})
            results = answer.get("results") if answer else None
            if not isinstance(results, list) or len(results) != len(asked):
                raise Unreachable(f"{self._url} answered other queries than were asked")
            for (component, query), result in zip(asked, results, strict=True):
                found[component] += [str(one["id"]) for one in result.get("vulns") or ()]
                token = result.get("next_page_token")
                if token:
                    waiting.append((component, query | {"page_token": token}))
        return found

    def _advisory(self, identifier: str) -> Advisory | None:
        record = self._record(identifier)
        if record is None:
            raise Unreachable(f"{self._url} names {identifier}, and knows nothing of it")
        if record.get("withdrawn"):
            return None
        aliases = [str(alias) for alias in record.get("aliases") or ()]
        severity = _severity(record)
        if severity == "unknown":
            # Some databases give a hole a name and no more; another says how bad it is.
            said = [_severity(other) for other in map(self._record, aliases) if other is not None]
            severity = max((one for one in said if one != "unknown"), key=_rank, default="unknown")
        summary = str(record.get("summary") or record.get("details") or "").strip()
        return Advisory((identifier, *aliases), severity, summary.partition("\n")[0][:200])

    def _record(self, identifier: str) -> dict[str, Any] | None:
        if identifier not in self._records:
            path = f"/v1/vulns/{urllib.parse.quote(identifier, safe='')}"
            self._records[identifier] = self._ask(path)
        return self._records[identifier]

    def _ask(self, path: str, body: Any = None) -> dict[str, Any] | None:
        """The answer as JSON; None for 404. Raises `Unreachable`."""
        request = urllib.request.Request(  # noqa: S310 - the address is the caller's own
            self._url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404 and body is None:
                    return None
            raise Unreachable(f"{self._url}{path} answered {error.code}") from error
        except (OSError, ValueError) as error:
            raise Unreachable(f"{self._url} does not answer: {error}") from error
        if not isinstance(answer, dict):
            raise Unreachable(f"{self._url}{path} answered no object")
        return answer


def _query(component: Component) -> dict[str, Any]:
    package = {"ecosystem": component.ecosystem, "name": component.package}
    return {"package": package, "version": component.version}


def _rank(severity: Severity) -> int:
    return WORST_LAST.index(severity)


def _severity(record: dict[str, Any]) -> Severity:
    """The worst that the record says of itself, in a word or by a CVSS vector."""
    said = list(_words(record))
    for entry in record.get("severity") or ():
        score = _SCORES.get(entry.get("type"))
        if score is not None:
            try:
                said.append(score(entry["score"]).severities()[0].lower())
            except (CVSSError, KeyError):
                continue
    known = [_WORDS[word] for word in said if word in _WORDS]
    return max((one for one in known if one != "unknown"), key=_rank, default="unknown")


def _words(record: dict[str, Any]) -> Iterator[str]:
    for own in (record, *(record.get("affected") or ())):
        for place in ("database_specific", "ecosystem_specific"):
            word = (own.get(place) or {}).get("severity")
            if isinstance(word, str):
                yield word.lower()
