"""`imagerift admin …`: runs an installation by its admin REST API. JSON on standard output,
nothing else; refusals on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer

from imagerift import admin_calls
from imagerift.admin_calls import Content
from imagerift.calls import Call
from imagerift.client import CALL_SECONDS, RETRIES
from imagerift.connection import ADMIN_VARIABLE, DEFAULT_URL, admin_connection
from imagerift.console import EXIT_FAILED, EXIT_USAGE, print_json, say
from imagerift.errors import ApiError, ConfigurationError, ImageRiftError, InvalidRequestError
from imagerift.options import Url
from imagerift.plugins import AdminGroup
from imagerift.sending import Sender

app = typer.Typer(
    cls=AdminGroup,
    help=f"Run an installation. The administrators' token is read from {ADMIN_VARIABLE}.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
workspace_app = typer.Typer(help="Workspaces and their plans.", no_args_is_help=True)
key_app = typer.Typer(help="API keys.", no_args_is_help=True)
member_app = typer.Typer(help="Members of workspaces.", no_args_is_help=True)
person_app = typer.Typer(help="People who sign in.", no_args_is_help=True)
app.add_typer(workspace_app, name="workspace")
app.add_typer(key_app, name="key")
app.add_typer(member_app, name="member")
app.add_typer(person_app, name="person")

WorkspaceId = Annotated[str, typer.Option("--workspace", help="Id of the workspace (ws_…).")]
PersonId = Annotated[str, typer.Option("--person", help="Id of the person (usr_…).")]
PlanName = Annotated[str, typer.Option("--plan", help="A plan of the plans file.")]
Name = Annotated[str, typer.Option("--name", help="What people call it.")]


@workspace_app.command("create")
def create_workspace(name: Name, plan: PlanName, url: Url = DEFAULT_URL) -> None:
    """Create a workspace on a plan."""
    print_json(_sent(url, admin_calls.create_workspace(name, plan)))


@workspace_app.command("list")
def list_workspaces(url: Url = DEFAULT_URL) -> None:
    """List every workspace, oldest first."""
    print_json(_listed(url, admin_calls.list_workspaces))


@workspace_app.command("set-plan")
def set_plan(workspace: WorkspaceId, plan: PlanName, url: Url = DEFAULT_URL) -> None:
    """Move a workspace to another plan; replicas follow within seconds."""
    print_json(_sent(url, admin_calls.change_workspace(workspace, plan=plan)))


@workspace_app.command("rename")
def rename_workspace(workspace: WorkspaceId, name: Name, url: Url = DEFAULT_URL) -> None:
    """Give a workspace another name."""
    print_json(_sent(url, admin_calls.change_workspace(workspace, name=name)))


@workspace_app.command("suspend")
def suspend_workspace(workspace: WorkspaceId, url: Url = DEFAULT_URL) -> None:
    """Refuse everything from a workspace, within 5 seconds; jobs that it has are finished."""
    print_json(_sent(url, admin_calls.change_workspace(workspace, suspended=True)))


@workspace_app.command("resume")
def resume_workspace(workspace: WorkspaceId, url: Url = DEFAULT_URL) -> None:
    """End the suspension of a workspace."""
    print_json(_sent(url, admin_calls.change_workspace(workspace, suspended=False)))


@workspace_app.command("release")
def release_workspace(workspace: WorkspaceId, url: Url = DEFAULT_URL) -> None:
    """Take a workspace from the Kubernetes resource that manages it, as when that was lost."""
    print_json(_sent(url, admin_calls.change_workspace(workspace, released=True)))


@key_app.command("create")
def create_key(
    workspace: WorkspaceId,
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="A scope; repeat it. Default: all.")
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Create an API key. Its token is printed this once and kept nowhere."""
    created = _sent(url, admin_calls.create_key(workspace, name, scope))
    print_json(created["key"] | {"token": created["token"]})


@key_app.command("list")
def list_keys(workspace: WorkspaceId, url: Url = DEFAULT_URL) -> None:
    """List a workspace's keys, without their tokens."""
    print_json(_sent(url, admin_calls.list_keys(workspace))["data"])


@key_app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Option("--key", help="Id of the key (key_…).")],
    url: Url = DEFAULT_URL,
) -> None:
    """Revoke a key; it stops working on every replica within 5 seconds."""
    print_json(_sent(url, admin_calls.revoke_key(key)))


@member_app.command("add")
def add_member(
    workspace: WorkspaceId,
    issuer: Annotated[str, typer.Option("--issuer", help="Who vouches for the person.")],
    subject: Annotated[str, typer.Option("--subject", help="The issuer's id of the person.")],
    role: Annotated[str, typer.Option("--role", help="owner, admin or member.")] = "member",
    url: Url = DEFAULT_URL,
) -> None:
    """Make a person a member, whether or not they have signed in yet."""
    print_json(_sent(url, admin_calls.add_member(workspace, issuer, subject, role)))


@person_app.command("list")
def list_people(url: Url = DEFAULT_URL) -> None:
    """List everybody who ever signed in or was added, oldest first."""
    print_json(_listed(url, admin_calls.list_people))


@person_app.command("suspend")
def suspend_person(person: PersonId, url: Url = DEFAULT_URL) -> None:
    """Put a person out: sessions and invitations end, keys stop within 5 seconds."""
    print_json(_sent(url, admin_calls.suspend_person(person, True)))


@person_app.command("resume")
def resume_person(person: PersonId, url: Url = DEFAULT_URL) -> None:
    """End a person's suspension: they may sign in, and their keys work again."""
    print_json(_sent(url, admin_calls.suspend_person(person, False)))


@person_app.command("sign-out")
def sign_out_person(person: PersonId, url: Url = DEFAULT_URL) -> None:
    """End all of a person's sessions."""
    print_json(_sent(url, admin_calls.end_sessions(person)))


def _sent(url: str, call: Call[Content]) -> Content:
    with _connected(url) as sender:
        return sender.send(call)


def _listed(url: str, page_after: Callable[[str | None], Call[Content]]) -> list[Content]:
    """All that a list has, oldest first, page by page."""
    found: list[Content] = []
    with _connected(url) as sender:
        cursor = None
        while True:
            page: dict[str, Any] = sender.send(page_after(cursor))
            found += page["data"]
            cursor = page["nextCursor"]
            if cursor is None:
                return sorted(found, key=lambda one: str(one["createdAt"]))


@contextmanager
def _connected(url: str) -> Iterator[Sender]:
    try:
        given = admin_connection(url)
        sender = Sender(given, timeout_seconds=CALL_SECONDS, retries=RETRIES, sleep=time.sleep)
        try:
            yield sender
        finally:
            sender.close()
    except ApiError as error:
        code = EXIT_USAGE if isinstance(error, InvalidRequestError) else EXIT_FAILED
        _refuse(f"{error.code}: {error.detail}", code)
    except ConfigurationError as error:
        _refuse(f"settings_invalid: {error}", EXIT_USAGE)
    except ImageRiftError as error:
        _refuse(f"error: {error}", EXIT_FAILED)


def _refuse(text: str, exit_code: int) -> NoReturn:
    say(text)
    raise typer.Exit(exit_code)
