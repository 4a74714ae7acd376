"""The family of domain errors. Each has a stable `code`; one middleware maps them to HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime


class DomainError(Exception):
    """A request or a job cannot go on, for a reason that its author can act on.

    `message` never holds a secret, a signed URL or a prompt.
    """

    code = "internal_error"
    retryable = False

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


# How every message of a suspension ends.
SUSPENDED = "was suspended by the operator of this installation"


class InvalidRequest(DomainError):
    """The request breaks the contract; `errors` lists every field at fault."""

    code = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(message, param=param)
        self.errors = errors or []


class PayloadTooLarge(DomainError):
    code = "payload_too_large"


class UnsupportedImage(DomainError):
    code = "unsupported_image"


class ImageUnreadable(DomainError):
    code = "image_unreadable"


class ImageTooLarge(DomainError):
    code = "image_too_large"


class InvalidApiKey(DomainError):
    code = "invalid_api_key"


class RevokedApiKey(InvalidApiKey):
    code = "revoked_api_key"


class ExpiredApiKey(InvalidApiKey):
    code = "expired_api_key"


class InvalidAdminToken(InvalidApiKey):
    """The admin REST API knows its callers by a token of the installation's alone."""

    code = "invalid_admin_token"


class InsufficientScope(DomainError):
    """The caller may not do this; `role` is set where no key of that role could."""

    code = "insufficient_scope"

    def __init__(self, scope: str, *, role: str | None = None) -> None:
        super().__init__(
            f"This key lacks the scope '{scope}'."
            if role is None
            else f"The role '{role}' does not have the scope '{scope}'."
        )
        self.scope = scope


class ApiAccessLocked(DomainError):
    code = "api_access_locked"


class ExportNotPermitted(DomainError):
    code = "export_not_permitted"


class ContentRejected(DomainError):
    """The prompt holds what the mode refuses; which words they are is not told."""

    code = "content_rejected"


class JobNotFound(DomainError):
    code = "job_not_found"


class SourceNotFound(DomainError):
    code = "source_not_found"


class JobNotCancelable(DomainError):
    code = "job_not_cancelable"


class WorkspaceNotFound(DomainError):
    code = "workspace_not_found"


class InvalidSession(DomainError):
    """Nobody is signed in, or whoever was is no longer a member."""

    code = "invalid_session"


class SessionNotFound(DomainError):
    """The person has no such session open."""

    code = "session_not_found"


class SignInFailed(DomainError):
    """Who asks to be signed in was not shown to be who they say."""

    code = "sign_in_failed"


class NoWorkspaceLeft(DomainError):
    """Who signs in is a member of no workspace, and had a new one of their own only lately."""

    code = "no_workspace_left"


class SignUpClosed(DomainError):
    """Nobody new is let in as this person comes: not invited, and not on the list of sign-ups."""

    code = "sign_up_closed"


class AccountSuspended(DomainError):
    """The operator of the installation has suspended the person or the workspace."""

    code = "account_suspended"


class CrossSiteRequest(DomainError):
    """A change under an account session that did not come from this installation's pages."""

    code = "cross_site_request"


class RoleNotPermitted(DomainError):
    code = "role_not_permitted"


class KeyNotFound(DomainError):
    code = "key_not_found"


class MemberNotFound(DomainError):
    code = "member_not_found"


class InvitationNotFound(DomainError):
    code = "invitation_not_found"


class WebhookNotFound(DomainError):
    code = "webhook_not_found"


class CatalogueEntryNotFound(DomainError):
    """No plan or mode of that name was added to those of the installation's files."""

    code = "catalogue_entry_not_found"


class CatalogueEntryUsed(DomainError):
    """A plan that workspaces are on, or a mode with jobs or pools, stays."""

    code = "catalogue_entry_used"


class AdministratorNotFound(DomainError):
    code = "administrator_not_found"


class DeliveryNotFound(DomainError):
    code = "delivery_not_found"


class AlreadyMember(DomainError):
    code = "already_member"


class LastOwner(DomainError):
    code = "last_owner"


class KeyNotRotatable(DomainError):
    """A revoked or expired key stays what it is."""

    code = "key_not_rotatable"


class QuotaExhausted(DomainError):
    """The units asked for do not fit in what is left of the period's limit."""

    code = "quota_exhausted"

    def __init__(
        self, *, units: int, limit: int, charged: int, reserved: int, resets_at: datetime
    ) -> None:
        super().__init__(
            f"{units} unit(s) asked for; of {limit} this period, {charged} are charged "
            f"and {reserved} are reserved by jobs in flight."
        )
        self.units = units
        self.limit = limit
        self.charged = charged
        self.reserved = reserved
        self.resets_at = resets_at


class QueueFull(DomainError):
    """The workspace has as many pictures waiting or under way as its plan lets it have at once."""

    code = "queue_full"

    def __init__(self, *, units: int, limit: int, reserved: int) -> None:
        super().__init__(
            f"{units} unit(s) asked for; of {limit} that may wait or run at once, {reserved} do."
        )
        self.units = units
        self.limit = limit
        self.reserved = reserved
        # What is larger than the whole queue never fits.
        self.retryable = units <= limit


class UploadsFull(DomainError):
    """The workspace keeps as many bytes of uploads as its plan lets it; sizes are as declared."""

    code = "uploads_full"

    def __init__(self, *, size: int, limit: int, kept: int) -> None:
        super().__init__(
            f"{size} byte(s) asked for; of {limit} that uploads may take at once, {kept} are taken."
        )
        self.size = size
        self.limit = limit
        self.kept = kept
        # What is larger than the whole limit never fits.
        self.retryable = size <= limit


class RateLimited(DomainError):
    code = "rate_limited"
    retryable = True

    def __init__(self, *, limit: int, retry_after_seconds: int) -> None:
        super().__init__(f"The limit of {limit} requests per minute is used up.")
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class CapacityUnavailable(DomainError):
    """A store that the request needs did not answer; nothing was accepted."""

    code = "capacity_unavailable"
    retryable = True


class OutcomeUnknown(CapacityUnavailable):
    """A store was sent a write and did not say whether it took it: it may be there, or come to be.

    After `settled_by` it is there or never will be. `ids` are the members of the answer that name
    what would have come of it, such as `jobId`.
    """

    code = "outcome_unknown"

    def __init__(
        self,
        message: str = "The job store did not say whether it took the change; look before you "
        "send it again.",
        *,
        ids: Mapping[str, str] | None = None,
        settled_by: datetime | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.ids = dict(ids or {})
        self.settled_by = settled_by
        self.retryable = retryable


class ObjectsRefused(CapacityUnavailable):
    """The object store answers, and refuses to delete `keys`; all others are deleted."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__("The object store could not delete every object.")
        self.keys = dict(keys)

    @property
    def words(self) -> str:
        """The first key with what the store said of it, and how many there are."""
        key, said = next(iter(self.keys.items()))
        return f"{said} ({key}; {len(self.keys)} in all)"


class IdempotencyInProgress(DomainError):
    """Another request with this key is being admitted at this moment."""

    code = "idempotency_in_progress"
    retryable = True


class IdempotencyKeyReused(DomainError):
    code = "idempotency_key_reused"


class BatchNotFound(DomainError):
    code = "batch_not_found"


class JobNotEnded(DomainError):
    code = "job_not_ended"


class TooManyStreams(DomainError):
    """The workspace has as many waits and event streams open as it may."""

    code = "too_many_streams"
    retryable = True
