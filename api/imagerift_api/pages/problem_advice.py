"""What the page of each problem code says: what happened, and what to do about it."""

from __future__ import annotations

from imagerift_contract.picture_files.rules import FORMATS

ADVICE: dict[str, str] = {
    "invalid_request": "Something in the request is missing, unknown or out of bounds. `errors` "
    "names every field at fault and its limit. Mend them and send it again.",
    "invalid_api_key": "Send `Authorization: Bearer` and a key of this installation. Keys are made "
    "at /account and shown once; look for a cut-off or another installation's key.",
    "revoked_api_key": "Somebody revoked this key. Make another one at /account.",
    "expired_api_key": "This key's time is over. Make another one at /account.",
    "invalid_admin_token": "The admin API takes the installation's token and administrators' own, "
    "no API key and no session. Where there is none, it lets nobody in.",
    "invalid_session": "Nobody is signed in, or the session has ended. Sign in at /account.",
    "sign_in_failed": "The name or the password is wrong, or the sign-in took too long. Try again.",
    "no_workspace_left": "This person was removed from every workspace. Ask for an invitation.",
    "account_suspended": "The operator of this installation suspended the person or the workspace. "
    "Ask them why; what was accepted before goes on.",
    "quota_exhausted": "The period's units are charged or reserved. Wait until `resetsAt`, for "
    "jobs in flight to end, or change the plan. Nothing was accepted.",
    "insufficient_scope": "The key may not do this. Use or make a key with the scope that "
    "`WWW-Authenticate` names.",
    "api_access_locked": "The workspace's plan has no API access. Change the plan.",
    "export_not_permitted": "Ask for a smaller `exportSize`, or change the plan.",
    "cross_site_request": "A change under a session must come from this installation's own pages, "
    "with the session's token in `X-CSRF-Token`.",
    "role_not_permitted": "Ask an admin or the owner of the workspace.",
    "not_found": "No resource has this path. Look at /docs for those that there are.",
    "job_not_found": "The id is wrong, the job was deleted, or it is another workspace's.",
    "source_not_found": "The picture was not uploaded yet, was deleted, or is another "
    "workspace's. Upload it again.",
    "workspace_not_found": "The id is wrong, or you are no member of it.",
    "key_not_found": "The id is wrong, or the key is another workspace's.",
    "session_not_found": "The session has ended already, or the id is wrong.",
    "member_not_found": "This person is no member of the workspace.",
    "invitation_not_found": "The invitation was used, withdrawn or has expired. Ask for another.",
    "webhook_not_found": "The id is wrong, or the webhook was deleted.",
    "administrator_not_found": "The id is wrong: `GET /admin/v1/administrators` tells them.",
    "catalogue_entry_not_found": "It is one of the installation's files, or none: `GET "
    "/admin/v1/plans` and `/admin/v1/modes` tell.",
    "catalogue_entry_used": "Move the workspaces to another plan, let the jobs end, or take the "
    "mode out of the pools; `detail` says what there is.",
    "delivery_not_found": "The id is wrong, or the delivery is no longer kept.",
    "method_not_allowed": "`Allow` names the methods that this path has.",
    "request_timeout": "The body did not arrive in time. Send it again on a better connection, or "
    "upload the picture first.",
    "batch_not_found": "The id is wrong, or the batch is another workspace's.",
    "idempotency_in_progress": "The first request under this key is being accepted. Send the same "
    "one again after `Retry-After`.",
    "idempotency_key_reused": "The key stands for a request with another body. Use a new key.",
    "job_not_ended": "Cancel the job, or wait for its end, and delete it then.",
    "job_not_cancelable": "The job has succeeded or failed already; there is nothing to cancel.",
    "already_member": "This person belongs to the workspace already.",
    "last_owner": "Make somebody else an owner first.",
    "key_not_rotatable": "The key was revoked or has expired. Make another one.",
    "payload_too_large": "Send a smaller picture: 20 MiB decoded, 28 MiB for the whole body.",
    "unsupported_image": f"Send a {FORMATS} file of one frame.",
    "image_unreadable": "The picture is damaged, cut off or too small. Save it again.",
    "image_too_large": "Make the picture smaller: 50 megapixels at most.",
    "content_rejected": "This installation's operator refuses what the prompt asks for.",
    "rate_limited": "Wait for `Retry-After` seconds; the window is the UTC minute.",
    "queue_full": "Wait until some of the workspace's jobs have ended.",
    "uploads_full": "Uploads that no job uses are deleted after a day, others with their jobs' "
    "retention. Declare a picture's own size, send it in the request, or change the plan.",
    "too_many_streams": "Close a stream or a waiting call, or poll.",
    "internal_error": "The fault is here and logged under `requestId`. Send it again; with an "
    "`Idempotency-Key` nothing is made twice.",
    "capacity_unavailable": "The database or the object store does not answer. Nothing was "
    "accepted. Send it again after `Retry-After`.",
    "outcome_unknown": "The database was sent the change and did not say whether it took it. With "
    "an `Idempotency-Key` send the same request again: nothing is made twice. Without one ask for "
    "`jobId` or `batchId` first; from `settledBy` on, a 404 says that it was not accepted.",
}
