"""The Python client of ImageRift.

from imagerift import ImageRift

with ImageRift("http://127.0.0.1:8080", api_key) as api:
    job = api.wait(api.generate(image="photo.jpg", prompt="clean studio background"))
    picture = api.download(job.outputs[0])

`AsyncImageRift` is the same for asyncio.
"""

from imagerift.async_client import AsyncImageRift
from imagerift.calls import Cutout, GenerateOptions, ListOptions, RequestedOutput
from imagerift.client import ImageRift
from imagerift.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    ImageRiftError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExhaustedError,
    RateLimitError,
    ServerError,
    Unreachable,
    WaitTimeout,
)
from imagerift.jobs import Job, JobPage, Output, PartialOutput, Progress, QueuePosition

__all__ = [
    "ApiError",
    "AsyncImageRift",
    "AuthenticationError",
    "ConfigurationError",
    "ConflictError",
    "Cutout",
    "GenerateOptions",
    "ImageRift",
    "ImageRiftError",
    "InvalidRequestError",
    "Job",
    "JobPage",
    "ListOptions",
    "NotFoundError",
    "Output",
    "PartialOutput",
    "PermissionDeniedError",
    "Progress",
    "QueuePosition",
    "QuotaExhaustedError",
    "RateLimitError",
    "RequestedOutput",
    "ServerError",
    "Unreachable",
    "WaitTimeout",
]
