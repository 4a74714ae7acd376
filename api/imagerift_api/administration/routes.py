"""/admin/v1: what runs the installation, for whoever has an administrators' token."""

from __future__ import annotations

from imagerift_api.administration.schemas import (
    AdminKey,
    AdminKeyBody,
    AdminKeyList,
    AdminKeyPath,
    AdminMember,
    AdminPerson,
    AdminPersonList,
    AdminWorkspace,
    AdminWorkspaceList,
    NewAdminKey,
    NewMemberBody,
    NewWorkspaceBody,
    PageQuery,
    PersonBody,
    PersonPath,
    SessionsEnded,
    WorkspaceBody,
    WorkspacePath,
)
from imagerift_api.administration.service import ADMINISTRATION
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import AdminOperation
from imagerift_api.webhooks.schemas import (
    NewWebhookObject,
    WebhookBody,
    WebhookList,
    WebhookObject,
    WebhookPath,
)

_WORKSPACES = "/admin/v1/workspaces"
_WORKSPACE = _WORKSPACES + "/{workspace_id}"
_PEOPLE = "/admin/v1/people"


async def list_workspaces(call: Call, query: PageQuery) -> AdminWorkspaceList:
    found, cursor = await call.app[ADMINISTRATION].workspaces(query)
    return AdminWorkspaceList(data=[AdminWorkspace.of(one) for one in found], next_cursor=cursor)


async def create_workspace(call: Call, body: NewWorkspaceBody) -> AdminWorkspace:
    created = call.app[ADMINISTRATION].create_workspace(body, actor=call.administrator)
    return AdminWorkspace.of(await created)


async def get_workspace(call: Call, path: WorkspacePath) -> AdminWorkspace:
    return AdminWorkspace.of(await call.app[ADMINISTRATION].workspace(path.workspace_id))


async def change_workspace(call: Call, path: WorkspacePath, body: WorkspaceBody) -> AdminWorkspace:
    changed = call.app[ADMINISTRATION].change_workspace(
        path.workspace_id, body, actor=call.administrator
    )
    return AdminWorkspace.of(await changed)


async def list_keys(call: Call, path: WorkspacePath) -> AdminKeyList:
    found = await call.app[ADMINISTRATION].keys(path.workspace_id)
    return AdminKeyList(data=[AdminKey.of(key) for key in found])


async def create_key(call: Call, path: WorkspacePath, body: AdminKeyBody) -> NewAdminKey:
    created = await call.app[ADMINISTRATION].create_key(
        path.workspace_id, body, actor=call.administrator
    )
    return NewAdminKey(key=AdminKey.of(created.key), token=created.token)


async def revoke_key(call: Call, path: AdminKeyPath) -> AdminKey:
    revoked = call.app[ADMINISTRATION].revoke_key(path.key_id, actor=call.administrator)
    return AdminKey.of(await revoked)


async def list_webhooks(call: Call, path: WorkspacePath) -> WebhookList:
    found = await call.app[ADMINISTRATION].webhooks(path.workspace_id)
    return WebhookList(data=[WebhookObject.of(webhook) for webhook in found])


async def create_webhook(call: Call, path: WorkspacePath, body: WebhookBody) -> NewWebhookObject:
    created = await call.app[ADMINISTRATION].create_webhook(
        path.workspace_id, body, actor=call.administrator
    )
    return NewWebhookObject(webhook=WebhookObject.of(created.webhook), secret=created.secret)


async def delete_webhook(call: Call, path: WebhookPath) -> None:
    await call.app[ADMINISTRATION].delete_webhook(path.webhook_id, actor=call.administrator)


async def add_member(call: Call, path: WorkspacePath, body: NewMemberBody) -> AdminMember:
    person = await call.app[ADMINISTRATION].add_member(
        path.workspace_id, body, actor=call.administrator
    )
    return AdminMember(workspace_id=path.workspace_id, person_id=person.id, role=body.role)


async def list_people(call: Call, query: PageQuery) -> AdminPersonList:
    found, cursor = await call.app[ADMINISTRATION].people(query)
    return AdminPersonList(data=[AdminPerson.of(one) for one in found], next_cursor=cursor)


async def change_person(call: Call, path: PersonPath, body: PersonBody) -> AdminPerson:
    changed = call.app[ADMINISTRATION].set_person_suspended(
        path.person_id, body.suspended, actor=call.administrator
    )
    return AdminPerson.of(await changed)


async def end_sessions(call: Call, path: PersonPath) -> SessionsEnded:
    ended = await call.app[ADMINISTRATION].end_sessions(path.person_id)
    return SessionsEnded(person_id=path.person_id, sessions_ended=ended)


OPERATIONS = (
    AdminOperation(
        method="GET",
        path=_WORKSPACES,
        handler=list_workspaces,
        name="adminListWorkspaces",
        summary="List every workspace",
        replies={200: Reply("A page of workspaces.", AdminWorkspaceList)},
    ),
    AdminOperation(
        method="POST",
        path=_WORKSPACES,
        handler=create_workspace,
        name="adminCreateWorkspace",
        summary="Create a workspace on a plan",
        replies={201: Reply("The workspace.", AdminWorkspace)},
    ),
    AdminOperation(
        method="GET",
        path=_WORKSPACE,
        handler=get_workspace,
        name="adminGetWorkspace",
        summary="Get a workspace",
        replies={200: Reply("The workspace.", AdminWorkspace)},
        errors=("workspace_not_found",),
    ),
    AdminOperation(
        method="PATCH",
        path=_WORKSPACE,
        handler=change_workspace,
        name="adminChangeWorkspace",
        summary="Rename, move to another plan, suspend or resume a workspace, or release it",
        description="A change of plan, and a suspension, reach every replica within 5 seconds.",
        replies={200: Reply("The workspace as it is now.", AdminWorkspace)},
        errors=("workspace_not_found",),
    ),
    AdminOperation(
        method="GET",
        path=_WORKSPACE + "/keys",
        handler=list_keys,
        name="adminListKeys",
        summary="List a workspace's keys",
        replies={200: Reply("The keys, without their tokens.", AdminKeyList)},
        errors=("workspace_not_found",),
    ),
    AdminOperation(
        method="POST",
        path=_WORKSPACE + "/keys",
        handler=create_key,
        name="adminCreateKey",
        summary="Create a key that depends on no member",
        replies={201: Reply("The key and its token, shown this once.", NewAdminKey)},
        errors=("api_access_locked", "workspace_not_found"),
    ),
    AdminOperation(
        method="DELETE",
        path="/admin/v1/keys/{key_id}",
        handler=revoke_key,
        name="adminRevokeKey",
        summary="Revoke a key; it stops on every replica within 5 seconds",
        replies={200: Reply("The revoked key.", AdminKey)},
        errors=("key_not_found",),
    ),
    AdminOperation(
        method="GET",
        path=_WORKSPACE + "/webhooks",
        handler=list_webhooks,
        name="adminListWebhooks",
        summary="List a workspace's webhooks",
        replies={200: Reply("The webhooks.", WebhookList)},
        errors=("workspace_not_found",),
    ),
    AdminOperation(
        method="POST",
        path=_WORKSPACE + "/webhooks",
        handler=create_webhook,
        name="adminCreateWebhook",
        summary="Create a webhook",
        replies={201: Reply("The webhook and its secret, shown this once.", NewWebhookObject)},
        errors=("workspace_not_found",),
    ),
    AdminOperation(
        method="DELETE",
        path="/admin/v1/webhooks/{webhook_id}",
        handler=delete_webhook,
        name="adminDeleteWebhook",
        summary="Delete a webhook and what it had still to be sent",
        replies={204: Reply("Deleted.")},
        errors=("webhook_not_found",),
    ),
    AdminOperation(
        method="POST",
        path=_WORKSPACE + "/members",
        handler=add_member,
        name="adminAddMember",
        summary="Make a person a member, whether or not they have signed in yet",
        replies={201: Reply("The membership.", AdminMember)},
        errors=("already_member", "workspace_not_found"),
    ),
    AdminOperation(
        method="GET",
        path=_PEOPLE,
        handler=list_people,
        name="adminListPeople",
        summary="List everybody who ever signed in or was added",
        replies={200: Reply("A page of people.", AdminPersonList)},
    ),
    AdminOperation(
        method="PATCH",
        path=_PEOPLE + "/{person_id}",
        handler=change_person,
        name="adminChangePerson",
        summary="Put a person out, or let them in again",
        description="A suspension ends the person's sessions and invitations, and stops their keys "
        "within 5 seconds.",
        replies={200: Reply("The person.", AdminPerson)},
        errors=("member_not_found",),
    ),
    AdminOperation(
        method="DELETE",
        path=_PEOPLE + "/{person_id}/sessions",
        handler=end_sessions,
        name="adminEndSessions",
        summary="End all of a person's sessions",
        replies={200: Reply("How many were ended.", SessionsEnded)},
        errors=("member_not_found",),
    ),
)
