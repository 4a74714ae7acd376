"""A team's own model, dropped into the repository and named in the settings, is a mode."""

import io

import numpy as np
import pytest
from generate_cases import request_for
from origin import Origin
from PIL import Image
from triton_server import Triton

DUOTONE = {"mode": "duotone", "preset": "cold", "outputAspect": "4:5"}


def shown(origin: Origin, index: int = 0) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(origin.outputs[f"{index}"][1])))


def test_the_documented_example_is_served(triton: Triton, origin: Origin) -> None:
    result = triton.generate(request_for(origin, **DUOTONE, variations=2))
    assert result["error"] is None
    assert result["preset"] == "cold"
    assert result["models"] == [{"name": "duotone", "version": "1"}]
    first, second = shown(origin), shown(origin, 1)
    assert first.shape == second.shape == (1024, 819, 3)
    assert not np.array_equal(first, second)
    # Two inks, cold ones: no pixel is redder than it is blue by more than paper's white.
    assert (first[..., 2].astype(int) - first[..., 0]).min() >= 0


def test_its_own_errors_reach_the_client_under_their_code(triton: Triton, origin: Origin) -> None:
    result = triton.generate(request_for(origin, **(DUOTONE | {"preset": "levitate"})))
    assert result["error"]["code"] == "invalid_request"
    assert result["error"]["message"] == "duotone has no such preset"
    assert origin.outputs == {}


def test_one_preset_of_a_shipped_mode_can_be_a_team_s_own(triton: Triton, origin: Origin) -> None:
    own = triton.generate(request_for(origin, mode="style", preset="warm"))
    assert own["models"] == [{"name": "duotone", "version": "1"}]
    shipped = triton.generate(request_for(origin, mode="style", preset="studio"))
    assert "imagerift-studio" in [model["name"] for model in shipped["models"]]


def test_a_server_without_the_gate_that_a_job_must_pass_makes_no_job(
    triton: Triton, origin: Origin
) -> None:
    result = triton.generate(request_for(origin, **DUOTONE, gate="gate"))
    assert result["error"]["code"] == "model_error"
    assert not result["error"]["retryable"]
    assert origin.requests == []


@pytest.mark.parametrize("fault", ["size", "count", "code", "text"])
def test_a_model_that_breaks_the_contract_fails_its_job_alone(
    triton: Triton, origin: Origin, fault: str
) -> None:
    result = triton.generate(request_for(origin, mode="careless", preset=fault))
    assert result["error"]["code"] == "model_error"
    assert "SECRET" not in result["error"]["message"]
    assert origin.outputs == {}
    assert triton.generate(request_for(origin, **DUOTONE))["error"] is None
