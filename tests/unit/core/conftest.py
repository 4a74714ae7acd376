"""What tests of core share with those of the API."""

from tests.unit.api.conftest import names

__all__ = ["names"]
