"""Where an installation may be: at the root of a host."""

from __future__ import annotations

import pytest
from imagerift_api import main
from imagerift_api.settings import ApiSettings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("IMAGERIFT_KEY_PEPPER", "5e" * 32)
    for name in ("MONGO_URL", "S3_INTERNAL_URL", "S3_PUBLIC_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        monkeypatch.setenv(f"IMAGERIFT_{name}", "http://127.0.0.1:1")
    return monkeypatch


@pytest.mark.parametrize(
    "url",
    ["https://acme.example/imagerift", "https://acme.example/a/", "http://h/?q", "http://h#x"],
)
def test_a_path_in_the_public_url_is_refused_at_the_start_in_one_sentence(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    environment.setenv("IMAGERIFT_PUBLIC_URL", url)
    with pytest.raises(SystemExit) as ended:
        main.main()

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(
        "IMAGERIFT_PUBLIC_URL: must have no path: ImageRift is served at the root"
    )
    assert said.count("\n") == 1


@pytest.mark.parametrize("url", ["https://Acme.example", "https://acme.example/"])
def test_an_origin_is_taken(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("IMAGERIFT_PUBLIC_URL", url)

    assert ApiSettings().public_url == "https://acme.example"
