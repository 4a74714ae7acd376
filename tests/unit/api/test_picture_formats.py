"""Every place that names the formats of pictures names all of them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from imagerift_api.uploads.schemas import UploadBody
from imagerift_contract.picture_files.rules import FORMATS, Kind

ROOT = Path(__file__).resolve().parents[3]
# What some systems call a HEIC; those that do not know it go by the file's name.
ALIASES = {"image/heif"}
ENDINGS = {".heic", ".heif"}


def test_uploads_take_each_format() -> None:
    taken = set(get_args(UploadBody.model_fields["content_type"].annotation))
    assert taken == {*Kind} | ALIASES


def test_the_account_page_offers_each_format() -> None:
    page = (ROOT / "api/imagerift_api/pages/files/account.html").read_text("utf-8")
    [accepted] = [part.split('"')[0] for part in page.split('name="image" accept="')[1:]]
    assert set(accepted.split(",")) == {*Kind} | ALIASES | ENDINGS
    assert FORMATS in page


def test_the_documents_name_each_format() -> None:
    assert FORMATS in (ROOT / "docs/api.md").read_text("utf-8")
    models = (ROOT / "docs/models.md").read_text("utf-8")
    named = FORMATS.replace(" or ", ", ").split(", ")
    sources = models.split("## Sources")[1].split("## ")[0]
    assert len(named) == len(Kind)
    assert [name for name in named if name not in sources] == []
