"""What is written from the values' models and from the definitions is in step with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from imagerift_api.settings import ApiSettings
from imagerift_core.resources import TritonPoolSpec
from imagerift_node.images.build import project_version
from imagerift_operator.settings import OperatorSettings
from pydantic_settings import BaseSettings

from charts.schema import write
from charts.schema.components import Pool
from charts.schema.values import Values
from tests.unit.charts.variables import chart_variables

DEFINITIONS = Path(__file__).parents[3] / "crds"


def test_every_generated_file_is_current() -> None:
    """Red: run `make crds`."""
    for path, text in write.files().items():
        assert (write.CHARTS / path).read_text() == text, path


def test_the_chart_of_definitions_holds_each_of_them() -> None:
    folder = write.CHARTS / "imagerift-crds" / "files"
    copies = {path.name: path.read_text() for path in folder.iterdir()}
    assert copies == {path.name: path.read_text() for path in DEFINITIONS.iterdir()}


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    write.write(tmp_path)
    written = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    assert set(written) == set(write.files())
    for path, copy in written.items():
        assert copy.read_text() == (write.CHARTS / path).read_text()


def test_the_shipped_values_are_the_models_own() -> None:
    shipped = yaml.safe_load((write.CHARTS / "imagerift" / "values.yaml").read_text())
    assert Values.model_validate(shipped) == Values()


def test_a_pool_can_say_everything_that_its_resource_can() -> None:
    assert set(TritonPoolSpec.model_fields) <= set(Pool.model_fields)


@pytest.mark.parametrize("name", ["imagerift", "imagerift-crds"])
def test_charts_and_packages_are_of_one_version(name: str) -> None:
    chart = yaml.safe_load((write.CHARTS / name / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == project_version()


@pytest.mark.parametrize("settings", [ApiSettings, OperatorSettings])
def test_the_templates_name_every_setting(settings: type[BaseSettings]) -> None:
    """Red: give the new setting a value in charts/schema, and the template its variable."""
    folder = write.CHARTS / "imagerift" / "templates"
    text = "".join(path.read_text() for path in folder.iterdir())
    assert {name for name in chart_variables(settings) if name not in text} == set()
