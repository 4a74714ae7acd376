"""`generate` without a server but the store: masks, models that raise, stores that are away."""

import pytest
from generate_cases import request_for
from imagerift_vision.storage import OriginClient
from mask_cases import MaskCases
from origin import Origin
from plain_service import Plain


class TestMasks(MaskCases):
    """All cases of masks and unclear subjects."""


@pytest.mark.parametrize(
    ("raised", "code"),
    [(ValueError("SECRETPROMPT"), "model_error"), (MemoryError(), "out_of_memory")],
)
def test_a_model_that_raises_fails_its_job_alone(
    service: Plain, origin: Origin, raised: Exception, code: str
) -> None:
    service.modes.raises = raised
    error = service.generate(request_for(origin))["error"]
    assert error["code"] == code
    assert "SECRETPROMPT" not in error["message"]
    service.modes.raises = None
    assert service.generate(request_for(origin))["error"] is None


def test_without_an_origin_nothing_is_fetched(service: Plain, origin: Origin) -> None:
    service.pipeline.client = OriginClient(None)
    assert service.generate(request_for(origin))["error"]["code"] == "invalid_request"
    assert origin.requests == []


def test_a_store_that_is_down_is_worth_a_retry(service: Plain, origin: Origin) -> None:
    service.pipeline.client = OriginClient("http://127.0.0.1:9")
    request = request_for(origin, source={"url": "http://127.0.0.1:9/source/photo"})
    error = service.generate(request)["error"]
    assert (error["code"], error["retryable"]) == ("input_unavailable", True)
