"""Settings come from the environment, and print no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from imagerift_core.settings import SharedSettings
from pydantic import ValidationError

NEEDED = {
    "IMAGERIFT_MONGO_URL": "mongodb://user:hunter2@127.0.0.1/",
    "IMAGERIFT_S3_INTERNAL_URL": "http://127.0.0.1:8333",
    "IMAGERIFT_S3_PUBLIC_URL": "http://localhost:8333",
    "IMAGERIFT_S3_ACCESS_KEY": "hunter3",
    "IMAGERIFT_S3_SECRET_KEY": "hunter4",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_environment_is_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KUBECONFIG", "/etc/kube")
    settings = SharedSettings()
    assert settings.kubeconfig == Path("/etc/kube")
    assert settings.namespace == settings.s3_bucket == settings.mongo_database == "imagerift"
    assert settings.crash_dir is None
    assert settings.s3_secret_key is not None
    assert settings.s3_secret_key.get_secret_value() == "hunter4"


def test_no_secret_is_printed(environment: pytest.MonkeyPatch) -> None:
    settings = SharedSettings()
    assert "hunter" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_address_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(ValidationError, match=name.removeprefix("IMAGERIFT_").lower()):
        SharedSettings()


def test_settings_do_not_change(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        SharedSettings().namespace = "other"  # type: ignore[misc]
