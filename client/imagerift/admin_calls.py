"""Each call of the admin REST API as a value, as `calls` has those of jobs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from imagerift.answers import content_of
from imagerift.calls import Call

Content = dict[str, Any]
_WORKSPACES = "/admin/v1/workspaces"
_PEOPLE = "/admin/v1/people"
_ADMINISTRATORS = "/admin/v1/administrators"
_MOST_A_PAGE = 500


def create_workspace(name: str, plan: str) -> Call[Content]:
    return _change("POST", _WORKSPACES, {"name": name, "plan": plan})


def list_workspaces(cursor: str | None) -> Call[Content]:
    return _page(_WORKSPACES, cursor)


def change_workspace(workspace: str, **changes: Any) -> Call[Content]:
    """Sets `name`, `plan` or `suspended`, or takes it from its resource (`released`)."""
    return _change("PATCH", _under(_WORKSPACES, workspace), changes)


def create_key(
    workspace: str, name: str, scopes: list[str] | None, expires_at: str | None
) -> Call[Content]:
    path = _under(_WORKSPACES, workspace) + "/keys"
    content = {"name": name, "scopes": scopes or None, "expiresAt": expires_at}
    return _change("POST", path, content)


def list_keys(workspace: str) -> Call[Content]:
    return Call("GET", _under(_WORKSPACES, workspace) + "/keys", content_of)


def revoke_key(key: str) -> Call[Content]:
    return Call("DELETE", _under("/admin/v1/keys", key), content_of)


def create_webhook(workspace: str, url: str, events: list[str] | None) -> Call[Content]:
    path = _under(_WORKSPACES, workspace) + "/webhooks"
    return _change("POST", path, {"url": url, "events": events or None})


def list_webhooks(workspace: str) -> Call[Content]:
    return Call("GET", _under(_WORKSPACES, workspace) + "/webhooks", content_of)


def delete_webhook(webhook: str) -> Call[Content]:
    # The answer is empty.
    path = _under("/admin/v1/webhooks", webhook)
    return Call("DELETE", path, lambda _: {"webhookId": webhook})


def list_offers(kind: str) -> Call[Content]:
    """Plans or modes, as `kind` says."""
    return Call("GET", f"/admin/v1/{kind}s", content_of)


def put_offer(kind: str, name: str, content: Content) -> Call[Content]:
    return _change("PUT", _under(f"/admin/v1/{kind}s", name), content)


def end_offer(kind: str, name: str) -> Call[Content]:
    return Call("DELETE", _under(f"/admin/v1/{kind}s", name), content_of)


def release_offer(kind: str, name: str) -> Call[Content]:
    return Call("DELETE", _under(f"/admin/v1/{kind}s", name) + "/manager", content_of)


def create_administrator(name: str, expires_at: str | None) -> Call[Content]:
    return _change("POST", _ADMINISTRATORS, {"name": name, "expiresAt": expires_at})


def list_administrators() -> Call[Content]:
    return Call("GET", _ADMINISTRATORS, content_of)


def revoke_administrator(administrator: str) -> Call[Content]:
    return Call("DELETE", _under(_ADMINISTRATORS, administrator), content_of)


def read_log(limit: int) -> Call[Content]:
    return Call("GET", "/admin/v1/log", content_of, params={"limit": limit})


def add_member(workspace: str, issuer: str, subject: str, role: str) -> Call[Content]:
    path = _under(_WORKSPACES, workspace) + "/members"
    return _change("POST", path, {"issuer": issuer, "subject": subject, "role": role})


def list_people(cursor: str | None) -> Call[Content]:
    return _page(_PEOPLE, cursor)


def suspend_person(person: str, suspended: bool) -> Call[Content]:
    return _change("PATCH", _under(_PEOPLE, person), {"suspended": suspended})


def end_sessions(person: str) -> Call[Content]:
    return Call("DELETE", _under(_PEOPLE, person) + "/sessions", content_of)


def _page(path: str, cursor: str | None) -> Call[Content]:
    query: dict[str, Any] = {"limit": _MOST_A_PAGE}
    return Call("GET", path, content_of, params=query | ({"cursor": cursor} if cursor else {}))


def _change(method: str, path: str, body: Content) -> Call[Content]:
    # What makes something new would make it twice.
    return Call(method, path, content_of, json=body, repeatable=method != "POST")


def _under(path: str, identifier: str) -> str:
    return f"{path}/{quote(identifier, safe='')}"
