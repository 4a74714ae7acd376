"""`imagerift admin …`: workspaces, keys and the audit. JSON on standard output, nothing else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from imagerift_core import clock
from imagerift_core.api_keys import ALL_SCOPES, Scope, ordered_scopes
from imagerift_core.clock import rfc3339
from imagerift_core.clock_watch import follow
from imagerift_core.errors import DomainError, MemberNotFound, WorkspaceNotFound
from imagerift_core.ids import new_workspace_id
from imagerift_core.mongo import Database, Stores, connect
from imagerift_core.mongo.account_log import ADMIN_COMMAND
from imagerift_core.mongo.keys import ApiKey
from imagerift_core.mongo.people import Person
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.plans import Plans, load_plans
from imagerift_core.roles import ALL_ROLES, Role
from pydantic import ValidationError

from imagerift_api.admin_store import store_app
from imagerift_api.api_keys.service import ApiKeys
from imagerift_api.settings import AdminSettings

Result = TypeVar("Result")

app = typer.Typer(
    help="Run the installation: workspaces, keys, audit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
workspace_app = typer.Typer(help="Workspaces and their plans.", no_args_is_help=True)
key_app = typer.Typer(help="API keys.", no_args_is_help=True)
app.add_typer(workspace_app, name="workspace")
member_app = typer.Typer(help="Members of workspaces.", no_args_is_help=True)
app.add_typer(key_app, name="key")
app.add_typer(member_app, name="member")
person_app = typer.Typer(help="People who sign in.", no_args_is_help=True)
app.add_typer(person_app, name="person")

WorkspaceId = Annotated[str, typer.Option("--workspace", help="Id of the workspace (ws_…).")]
PersonId = Annotated[str, typer.Option("--person", help="Id of the person (usr_…).")]
PlanName = Annotated[str, typer.Option("--plan", help="A plan of the plans file.")]


@workspace_app.command("create")
def create_workspace(
    name: Annotated[str, typer.Option("--name", help="What people call it.")], plan: PlanName
) -> None:
    """Create a workspace on a plan."""
    settings = _settings()
    _check_plan(load_plans(settings.plans_file), plan)

    async def create(stores: Stores) -> Workspace:
        workspace = Workspace(_id=new_workspace_id(), name=name, plan=plan, created_at=clock.now())
        await stores.workspaces.create(workspace)
        return workspace

    _print(_workspace(_with_stores(settings, create)))


@workspace_app.command("list")
def list_workspaces() -> None:
    """List every workspace, oldest first."""
    found = _with_stores(_settings(), lambda stores: stores.workspaces.all())
    _print([_workspace(workspace) for workspace in found])


@workspace_app.command("set-plan")
def set_plan(workspace: WorkspaceId, plan: PlanName) -> None:
    """Move a workspace to another plan; replicas follow within seconds."""
    settings = _settings()
    _check_plan(load_plans(settings.plans_file), plan)

    _print(
        _changed_workspace(workspace, lambda stores: stores.workspaces.set_plan(workspace, plan))
    )


@workspace_app.command("suspend")
def suspend_workspace(workspace: WorkspaceId) -> None:
    """Refuse everything from a workspace, within 5 seconds; jobs that it has are finished."""
    _print(_changed_workspace(workspace, lambda stores: stores.workspaces.suspend(workspace)))


@workspace_app.command("resume")
def resume_workspace(workspace: WorkspaceId) -> None:
    """End the suspension of a workspace."""
    _print(_changed_workspace(workspace, lambda stores: stores.workspaces.resume(workspace)))


@key_app.command("create")
def create_key(
    workspace: WorkspaceId,
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="A scope; repeat it. Default: all.")
    ] = None,
) -> None:
    """Create an API key. Its token is printed this once and kept nowhere."""
    settings = _settings()
    scopes = _scopes(scope or list(ALL_SCOPES))
    plans = load_plans(settings.plans_file)
    created = _with_stores(
        settings,
        lambda stores: ApiKeys(
            stores.keys, stores.workspaces, stores.members, plans, settings.pepper()
        ).create(workspace, name, scopes=scopes),
    )
    _print(_key(created.key) | {"token": created.token})


@key_app.command("list")
def list_keys(workspace: WorkspaceId) -> None:
    """List a workspace's keys, without their tokens."""
    found = _with_stores(_settings(), lambda stores: stores.keys.all_of(workspace))
    _print([_key(key) for key in found])


@key_app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Option("--key", help="Id of the key (key_…).")],
) -> None:
    """Revoke a key; it stops working on every replica within 5 seconds."""

    revoked = _with_stores(
        _settings(),
        lambda stores: stores.keys.revoke(None, key, actor=ADMIN_COMMAND, at=clock.now()),
    )
    _print(_key(revoked))


@member_app.command("add")
def add_member(
    workspace: WorkspaceId,
    issuer: Annotated[str, typer.Option("--issuer", help="Who vouches for the person.")],
    subject: Annotated[str, typer.Option("--subject", help="The issuer's id of the person.")],
    role: Annotated[str, typer.Option("--role", help="owner, admin or member.")] = "member",
) -> None:
    """Make a person a member, whether or not they have signed in yet."""
    if role not in ALL_ROLES:
        _refuse("role_not_found", f"role must be one of: {', '.join(ALL_ROLES)}.", exit_code=2)
    known: Role = role

    async def add(stores: Stores) -> Person | None:
        if await stores.workspaces.get(workspace) is None:
            return None
        return await stores.people.add_to_workspace(
            workspace,
            issuer=issuer,
            subject=subject,
            role=known,
            actor=ADMIN_COMMAND,
            at=clock.now(),
        )

    person = _with_stores(_settings(), add)
    if person is None:
        _fail(WorkspaceNotFound(f"There is no workspace '{workspace}'."))
    _print({"workspaceId": workspace, "personId": person.id, "role": known})


@person_app.command("list")
def list_people() -> None:
    """List everybody who ever signed in or was added, oldest first."""
    _print([_person(person) for person in _with_stores(_settings(), lambda s: s.people.all())])


@person_app.command("suspend")
def suspend_person(person: PersonId) -> None:
    """Put a person out: sessions and invitations end, keys stop within 5 seconds."""
    _print_person(
        person,
        lambda stores: stores.people.suspend(person, actor=ADMIN_COMMAND, at=clock.now()),
    )


@person_app.command("resume")
def resume_person(person: PersonId) -> None:
    """End a person's suspension: they may sign in, and their keys work again."""
    _print_person(
        person, lambda stores: stores.people.resume(person, actor=ADMIN_COMMAND, at=clock.now())
    )


@person_app.command("sign-out")
def sign_out_person(person: PersonId) -> None:
    """End all of a person's sessions."""
    ended = _with_stores(_settings(), lambda stores: stores.sessions.end_all(person))
    _print({"personId": person, "sessionsEnded": ended})


@app.command("audit")
def audit() -> None:
    """Recompute every quota counter from jobs and ledger. Exit code 1 where one differs."""
    differences = _with_stores(_settings(), lambda stores: stores.audit.differences())
    _print({"differences": [asdict(difference) for difference in differences]})
    if differences:
        raise typer.Exit(1)


def _changed_workspace(
    workspace: str, change: Callable[[Stores], Awaitable[bool]]
) -> dict[str, Any]:
    async def both(stores: Stores) -> Workspace | None:
        await change(stores)
        return await stores.workspaces.get(workspace)

    changed = _with_stores(_settings(), both)
    if changed is None:
        _fail(WorkspaceNotFound(f"There is no workspace '{workspace}'."))
    return _workspace(changed)


def _print_person(person: str, change: Callable[[Stores], Awaitable[Person | None]]) -> None:
    changed = _with_stores(_settings(), change)
    if changed is None:
        _fail(MemberNotFound(f"There is no person '{person}'."))
    _print(_person(changed))


def _settings() -> AdminSettings:
    try:
        return AdminSettings()
    except ValidationError as error:
        faults = [
            f"IMAGERIFT_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        way = 'on the embedded platform: eval "$(imagerift-platform env --admin)"'
        _refuse("settings_invalid", f"{'; '.join(faults)} ({way})", exit_code=2)


def _with_stores(settings: AdminSettings, work: Callable[[Stores], Awaitable[Result]]) -> Result:
    return _with_database(settings, lambda database: work(Stores(database)))


def _with_database(
    settings: AdminSettings, work: Callable[[Database], Awaitable[Result]]
) -> Result:
    async def run() -> Result:
        url = settings.mongo_url.get_secret_value()
        async with connect(url, settings.mongo_database, settings.mongo_tls) as database:
            await follow(database.time)
            return await work(database)

    try:
        return asyncio.run(run())
    except DomainError as error:
        _fail(error)


def _check_plan(plans: Plans, plan: str) -> None:
    if plan not in plans:
        _refuse("plan_not_found", f"plan must be one of: {', '.join(plans)}.", exit_code=2)


def _scopes(names: list[str]) -> list[Scope]:
    known = {scope: scope for scope in ALL_SCOPES}
    wrong = [name for name in names if name not in known]
    if wrong:
        offered = ", ".join(ALL_SCOPES)
        _refuse("scope_not_found", f"scope must be one of: {offered}.", exit_code=2)
    return ordered_scopes(names)


def _workspace(workspace: Workspace) -> dict[str, Any]:
    return {
        "workspaceId": workspace.id,
        "name": workspace.name,
        "plan": workspace.plan,
        "createdAt": rfc3339(workspace.created_at),
        "suspendedAt": rfc3339(workspace.suspended_at) if workspace.suspended_at else None,
    }


def _person(person: Person) -> dict[str, Any]:
    return {
        "personId": person.id,
        "name": person.name,
        "email": person.email,
        "issuer": person.issuer,
        "subject": person.subject,
        "createdAt": rfc3339(person.created_at),
        "suspendedAt": rfc3339(person.suspended_at) if person.suspended_at else None,
    }


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "keyId": key.id,
        "workspaceId": key.workspace,
        "name": key.name,
        "prefix": key.prefix,
        "lastFour": key.last_four,
        "scopes": key.scopes,
        "createdAt": rfc3339(key.created_at),
        "lastUsedAt": rfc3339(key.last_used_at) if key.last_used_at else None,
        "expiresAt": rfc3339(key.expires_at) if key.expires_at else None,
        "revokedAt": rfc3339(key.revoked_at) if key.revoked_at else None,
    }


def _print(content: Any) -> None:
    sys.stdout.write(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n")


def _fail(error: DomainError) -> NoReturn:
    _refuse(error.code, error.message)


def _refuse(code: str, message: str, *, exit_code: int = 1) -> NoReturn:
    sys.stderr.write(f"{code}: {message}\n")
    raise typer.Exit(exit_code)


app.add_typer(store_app(lambda work: _with_database(_settings(), work), _print), name="store")
