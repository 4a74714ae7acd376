"""Names of objects in the bucket. A key says whose it is and which attempt wrote it."""

from __future__ import annotations

EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp", "avif": "avif"}


def workspace_prefix(workspace: str) -> str:
    return f"workspaces/{workspace}/"


def job_prefix(workspace: str, job_id: str) -> str:
    return f"workspaces/{workspace}/jobs/{job_id}/"


def source_key(workspace: str, job_id: str) -> str:
    return job_prefix(workspace, job_id) + "source"


def mask_key(workspace: str, job_id: str) -> str:
    return job_prefix(workspace, job_id) + "mask"


def reference_key(workspace: str, job_id: str, position: int) -> str:
    return f"{job_prefix(workspace, job_id)}reference-{position}"


def upload_key(workspace: str, upload_id: str) -> str:
    return f"workspaces/{workspace}/uploads/{upload_id}"


def attempt_prefix(workspace: str, job_id: str, attempt: int) -> str:
    return f"{job_prefix(workspace, job_id)}{attempt}/"


def output_key(workspace: str, job_id: str, attempt: int, index: int, output_format: str) -> str:
    extension = EXTENSIONS[output_format]
    return f"{attempt_prefix(workspace, job_id, attempt)}output-{index}.{extension}"


def thumbnail_key(workspace: str, job_id: str, attempt: int, index: int) -> str:
    return f"{attempt_prefix(workspace, job_id, attempt)}thumbnail-{index}.webp"


def job_of_key(key: str) -> tuple[str, str] | None:
    """The (workspace, job id) that a key belongs to, or None where it is no job's key."""
    parts = key.split("/")
    if len(parts) < 5 or parts[0] != "workspaces" or parts[2] != "jobs":
        return None
    return parts[1], parts[3]


def upload_of_key(key: str) -> str | None:
    """The id of the upload that a key belongs to, or None where it is no upload's key."""
    parts = key.split("/")
    if len(parts) != 4 or parts[0] != "workspaces" or parts[2] != "uploads":
        return None
    return parts[3]
