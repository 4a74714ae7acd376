"""Whose fault a failed job is: every error is somebody's."""

from __future__ import annotations

from typing import get_args

import pytest
from imagerift_contract.values import JobErrorCode
from imagerift_core.jobs import CUSTOMERS_ERRORS, JobError, Status, fault_of

from tests.support.job_records import make_record

OURS = {"model_error", "timeout", "input_unavailable", "output_upload_failed", "out_of_memory"}


def test_every_error_is_either_the_customers_or_ours() -> None:
    assert set(get_args(JobErrorCode)) == CUSTOMERS_ERRORS | OURS
    assert not CUSTOMERS_ERRORS & OURS


@pytest.mark.parametrize("code", get_args(JobErrorCode))
def test_a_failed_job_is_the_fault_of_who_made_the_error(code: JobErrorCode) -> None:
    error = JobError(code=code, message="It failed.")
    record = make_record(status=Status.FAILED, error=error)
    assert fault_of(record) == ("ours" if code in OURS else "customer")


def test_a_job_that_has_not_failed_is_nobodys_fault() -> None:
    for status in (Status.SUCCEEDED, Status.CANCELED, Status.QUEUED):
        assert fault_of(make_record(status=status)) == "none"
    assert fault_of(make_record(status=Status.FAILED, error=None)) == "ours"
