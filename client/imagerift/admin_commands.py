"""`imagerift admin …`: runs an installation by its admin REST API. JSON on standard output,
nothing else; refusals on standard error."""

from __future__ import annotations

from typing import Annotated

import typer

from imagerift import admin_calls
from imagerift.admin_offers import offer_commands
from imagerift.admin_sending import listed, sent
from imagerift.connection import ADMIN_VARIABLE, DEFAULT_URL
from imagerift.console import print_json
from imagerift.options import Url
from imagerift.plugins import AdminGroup

app = typer.Typer(
    cls=AdminGroup,
    help=f"Run an installation. An administrators' token is read from {ADMIN_VARIABLE}.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
workspace_app = typer.Typer(help="Workspaces and their plans.", no_args_is_help=True)
key_app = typer.Typer(help="API keys.", no_args_is_help=True)
member_app = typer.Typer(help="Members of workspaces.", no_args_is_help=True)
person_app = typer.Typer(help="People who sign in.", no_args_is_help=True)
webhook_app = typer.Typer(help="Webhooks of workspaces.", no_args_is_help=True)
administrator_app = typer.Typer(help="Administrators by name.", no_args_is_help=True)
app.add_typer(workspace_app, name="workspace")
app.add_typer(key_app, name="key")
app.add_typer(member_app, name="member")
app.add_typer(person_app, name="person")
app.add_typer(webhook_app, name="webhook")
app.add_typer(offer_commands("plan"), name="plan")
app.add_typer(offer_commands("mode"), name="mode")
app.add_typer(administrator_app, name="administrator")

WorkspaceId = Annotated[str, typer.Option("--workspace", help="Id of the workspace (ws_…).")]
PersonId = Annotated[str, typer.Option("--person", help="Id of the person (usr_…).")]
PlanName = Annotated[str, typer.Option("--plan", help="One of the installation's plans.")]
Name = Annotated[str, typer.Option("--name", help="What people call it.")]
ExpiresAt = Annotated[
    str | None, typer.Option("--expires-at", help="An RFC 3339 time. Default: never.")
]


@workspace_app.command("create")
def create_workspace(name: Name, plan: PlanName, url: Url = DEFAULT_URL) -> None:
    """Create a workspace on a plan."""
    print_json(sent(url, admin_calls.create_workspace(name, plan)))


@workspace_app.command("list")
def list_workspaces(url: Url = DEFAULT_URL) -> None:
    """List every workspace, in the order of their ids."""
    print_json(listed(url, admin_calls.list_workspaces))


@workspace_app.command("set-plan")
def set_plan(workspace: WorkspaceId, plan: PlanName, url: Url = DEFAULT_URL) -> None:
    """Move a workspace to another plan; replicas follow within seconds."""
    print_json(sent(url, admin_calls.change_workspace(workspace, plan=plan)))


@workspace_app.command("rename")
def rename_workspace(workspace: WorkspaceId, name: Name, url: Url = DEFAULT_URL) -> None:
    """Give a workspace another name."""
    print_json(sent(url, admin_calls.change_workspace(workspace, name=name)))


@workspace_app.command("suspend")
def suspend_workspace(workspace: WorkspaceId, url: Url = DEFAULT_URL) -> None:
    """Refuse everything from a workspace, within 5 seconds; jobs that it has are finished."""
    print_json(sent(url, admin_calls.change_workspace(workspace, suspended=True)))


@workspace_app.command("resume")
def resume_workspace(workspace: WorkspaceId, url: Url = DEFAULT_URL) -> None:
    """End the suspension of a workspace."""
    print_json(sent(url, admin_calls.change_workspace(workspace, suspended=False)))


@workspace_app.command("release")
def release_workspace(workspace: WorkspaceId, url: Url = DEFAULT_URL) -> None:
    """Take a workspace from the Kubernetes resource that manages it, as when that was lost."""
    print_json(sent(url, admin_calls.change_workspace(workspace, released=True)))


@key_app.command("create")
def create_key(
    workspace: WorkspaceId,
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="A scope; repeat it. Default: all.")
    ] = None,
    expires_at: ExpiresAt = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Create an API key. Its token is printed this once and kept nowhere."""
    created = sent(url, admin_calls.create_key(workspace, name, scope, expires_at))
    print_json(created["key"] | {"token": created["token"]})


@key_app.command("list")
def list_keys(workspace: WorkspaceId, url: Url = DEFAULT_URL) -> None:
    """List a workspace's keys, without their tokens."""
    print_json(sent(url, admin_calls.list_keys(workspace))["data"])


@key_app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Option("--key", help="Id of the key (key_…).")],
    url: Url = DEFAULT_URL,
) -> None:
    """Revoke a key; it stops working on every replica within 5 seconds."""
    print_json(sent(url, admin_calls.revoke_key(key)))


@member_app.command("add")
def add_member(
    workspace: WorkspaceId,
    issuer: Annotated[str, typer.Option("--issuer", help="Who vouches for the person.")],
    subject: Annotated[str, typer.Option("--subject", help="The issuer's id of the person.")],
    role: Annotated[str, typer.Option("--role", help="owner, admin or member.")] = "member",
    url: Url = DEFAULT_URL,
) -> None:
    """Make a person a member, whether or not they have signed in yet."""
    print_json(sent(url, admin_calls.add_member(workspace, issuer, subject, role)))


@person_app.command("list")
def list_people(url: Url = DEFAULT_URL) -> None:
    """List everybody who ever signed in or was added, in the order of their ids."""
    print_json(listed(url, admin_calls.list_people))


@person_app.command("suspend")
def suspend_person(person: PersonId, url: Url = DEFAULT_URL) -> None:
    """Put a person out: sessions and invitations end, keys stop within 5 seconds."""
    print_json(sent(url, admin_calls.suspend_person(person, True)))


@person_app.command("resume")
def resume_person(person: PersonId, url: Url = DEFAULT_URL) -> None:
    """End a person's suspension: they may sign in, and their keys work again."""
    print_json(sent(url, admin_calls.suspend_person(person, False)))


@person_app.command("sign-out")
def sign_out_person(person: PersonId, url: Url = DEFAULT_URL) -> None:
    """End all of a person's sessions."""
    print_json(sent(url, admin_calls.end_sessions(person)))


@webhook_app.command("create")
def create_webhook(
    workspace: WorkspaceId,
    to: Annotated[str, typer.Option("--to", help="An https address.")],
    event: Annotated[
        list[str] | None, typer.Option("--event", help="An event; repeat it. Default: all.")
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Create a webhook. What its messages are signed with is printed this once."""
    created = sent(url, admin_calls.create_webhook(workspace, to, event))
    print_json(created["webhook"] | {"secret": created["secret"]})


@webhook_app.command("list")
def list_webhooks(workspace: WorkspaceId, url: Url = DEFAULT_URL) -> None:
    """List a workspace's webhooks."""
    print_json(sent(url, admin_calls.list_webhooks(workspace))["data"])


@webhook_app.command("delete")
def delete_webhook(
    webhook: Annotated[str, typer.Option("--webhook", help="Id of the webhook (whk_…).")],
    url: Url = DEFAULT_URL,
) -> None:
    """Delete a webhook, and what it had still to be sent."""
    print_json(sent(url, admin_calls.delete_webhook(webhook)))


@administrator_app.command("create")
def create_administrator(
    name: Annotated[str, typer.Option("--name", help="Who it is, as logs are to say.")],
    expires_at: ExpiresAt = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Give somebody a token of their own. It is printed this once and kept nowhere."""
    created = sent(url, admin_calls.create_administrator(name, expires_at))
    print_json(created["administrator"] | {"token": created["token"]})


@administrator_app.command("list")
def list_administrators(url: Url = DEFAULT_URL) -> None:
    """List those who have, or had, a token of their own."""
    print_json(sent(url, admin_calls.list_administrators())["data"])


@administrator_app.command("revoke")
def revoke_administrator(
    administrator: Annotated[
        str, typer.Option("--administrator", help="Id of the administrator (adm_…).")
    ],
    url: Url = DEFAULT_URL,
) -> None:
    """Revoke an administrator's token; it opens nothing from now on."""
    print_json(sent(url, admin_calls.revoke_administrator(administrator)))


@app.command("log")
def read_log(
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="Entries at most.")] = 50,
    url: Url = DEFAULT_URL,
) -> None:
    """Show what was done to administrators, plans and modes, newest first."""
    print_json(sent(url, admin_calls.read_log(limit))["data"])
