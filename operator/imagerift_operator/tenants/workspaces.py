"""What becomes of a `Workspace`: the workspace is made or taken over, kept, and let go."""

from __future__ import annotations

from imagerift_core.clock import now
from imagerift_core.errors import InvalidRequest, WorkspaceNotFound
from imagerift_core.kube import Kube
from imagerift_core.mongo import Stores
from imagerift_core.mongo.jobs import MOST_COUNTED
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.tenant_resources import WORKSPACES, WorkspaceSpec, workspace_id_of
from imagerift_core.tenants import WorkspaceRules, WorkspaceWish

from imagerift_operator.admission import WorkspaceNotBound, bound_workspaces
from imagerift_operator.tenants.objects import (
    Body,
    TenantObjects,
    actor_of,
    checked_spec,
    holder_of,
    is_going,
    is_held,
    uid_of,
)
from imagerift_operator.tenants.status import (
    ManagedElsewhere,
    Outcome,
    changed_elsewhere,
    not_ready,
    ready,
)

_KIND = "Workspace"


class WorkspaceKeeper:
    """Keeps workspaces as their resources say.

    A resource may make a workspace, whose id follows from its uid. One that exists it may take
    over only where an administrator has bound its namespace to it, and no other resource holds it.
    """

    def __init__(
        self, stores: Stores, rules: WorkspaceRules, kube: Kube, objects: TenantObjects
    ) -> None:
        self._stores = stores
        self._rules = rules
        self._kube = kube
        self._objects = objects

    async def keep(self, body: Body) -> Outcome:
        """Makes the workspace as the spec says where that is new; else says what differs."""
        spec = checked_spec(WorkspaceSpec, body)
        self._check_same(body)
        workspace = await self._held(spec, body)
        return await self._as_said(spec, workspace, body)

    async def let_go(self, body: Body) -> Outcome | None:
        """Ends what the deleted resource holds. None once there is nothing left to wait for."""
        workspace = await self._stores.workspaces.get(self.id_of(body))
        uid = uid_of(body)
        if workspace is None or workspace.managed_by is None or workspace.managed_by.uid != uid:
            return None
        if (body.get("spec") or {}).get("deletionPolicy") != "Retain":
            await self._rules.change(
                workspace.id, WorkspaceWish(suspended=True), actor=actor_of(_KIND, body)
            )
            live = await self._stores.jobs.live_in(workspace.id)
            if live:
                more = " or more" if live == MOST_COUNTED else ""
                words = f"The workspace is suspended; jobs that have not ended: {live}{more}."
                return Outcome(
                    [not_ready("JobsRunning", words)], {"suspended": True}, settled=False
                )
        await self._stores.workspaces.release(workspace.id, uid=uid)
        return None

    async def holds(self, body: Body) -> Workspace:
        """The workspace that the resource holds now.

        Raises `WorkspaceNotFound`, `WorkspaceNotBound` or `ManagedElsewhere`.
        """
        spec = checked_spec(WorkspaceSpec, body)
        await self._check_binding(spec)
        workspace = await self._stores.workspaces.get(self.id_of(body))
        if workspace is None or not is_held(body):
            raise WorkspaceNotFound(f"The Workspace '{body['metadata']['name']}' is not made yet.")
        if workspace.managed_by is None or workspace.managed_by.uid != uid_of(body):
            raise self._elsewhere(workspace)
        return workspace

    async def of_reference(self, name: str) -> Workspace:
        """The workspace of the namespace's Workspace of that name. Raises as `holds` does."""
        resource = self._objects.named(WORKSPACES, name)
        if resource is None or is_going(resource):
            raise WorkspaceNotFound(f"This namespace has no Workspace '{name}'.")
        return await self.holds(resource)

    def is_another(self, name: str, workspace_id: str) -> bool:
        """Whether the Workspace of that name stands for another workspace by now."""
        resource = self._objects.named(WORKSPACES, name)
        return resource is not None and self.id_of(resource) != workspace_id

    async def _held(self, spec: WorkspaceSpec, body: Body) -> Workspace:
        """The workspace, which the resource holds from now on. Raises as `holds` does."""
        await self._check_binding(spec)
        holder, workspace_id = holder_of(body), self.id_of(body)
        known = await self._stores.workspaces.get(workspace_id)
        if known is None or known.plan != spec.plan:
            # One that is on a plan stays on it, though nobody else may begin on it any more.
            self._rules.check_plan(spec.plan)
        if spec.workspace_id is None:
            made = Workspace(
                _id=workspace_id,
                name=spec.name,
                plan=spec.plan,
                created_at=now(),
                managed_by=holder,
            )
            await self._stores.workspaces.ensure(made, actor=actor_of(_KIND, body))
        others = self._objects.uids(WORKSPACES) - {holder.uid}
        held = await self._stores.workspaces.claim(workspace_id, holder, others=others)
        if held is None:
            raise self._elsewhere(await self._rules.get(workspace_id))
        return held

    def _check_same(self, body: Body) -> None:
        """Raises `InvalidRequest` where the spec names another workspace than the one that is held,
        which servers before 1.25 let it."""
        held = (body.get("status") or {}).get("workspaceId")
        if held is not None and held != self.id_of(body):
            raise InvalidRequest("spec.workspaceId is immutable.", param="spec.workspaceId")

    async def _check_binding(self, spec: WorkspaceSpec) -> None:
        """Raises `WorkspaceNotBound` for a workspace that the namespace may not name."""
        named = spec.workspace_id
        if named is None:
            return
        if named not in bound_workspaces(await self._kube.namespace_annotations()):
            raise WorkspaceNotBound.of(named)

    async def _as_said(self, spec: WorkspaceSpec, workspace: Workspace, body: Body) -> Outcome:
        wish = WorkspaceWish(spec.name, spec.plan, spec.suspended)
        generation = body["metadata"].get("generation", 1)
        applied = (body.get("status") or {}).get("appliedGeneration")
        differs = wish.differences(workspace)
        if differs and (applied != generation or spec.on_drift == "Revert"):
            actor = actor_of(_KIND, body)
            workspace = await self._rules.change(workspace.id, wish, actor=actor)
            differs = {}
        suspended = workspace.suspended_at is not None
        return Outcome(
            [
                ready("Suspended", "Nothing is accepted from it.")
                if suspended
                else ready("Open", f"The workspace is {workspace.id}."),
                changed_elsewhere(differs),
            ],
            {
                "workspaceId": workspace.id,
                "plan": workspace.plan,
                "suspended": suspended,
                "appliedGeneration": generation,
            },
        )

    @staticmethod
    def id_of(body: Body) -> str:
        """Id of the workspace that the resource makes, or names."""
        named = (body.get("spec") or {}).get("workspaceId")
        return str(named) if named else workspace_id_of(uid_of(body))

    @staticmethod
    def _elsewhere(workspace: Workspace) -> ManagedElsewhere:
        holder = workspace.managed_by
        whom = f"by the Workspace {holder}" if holder else "by no resource any more"
        return ManagedElsewhere(f"The workspace '{workspace.id}' is managed {whom}.")
