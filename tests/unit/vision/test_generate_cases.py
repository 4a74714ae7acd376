"""Every shared case without a server but the store, for a quick look.

The gate leaves them out: there the same cases go through a real Triton.
"""

from cutout_cases import CutoutCases
from generate_cases import GenerateCases


class TestCutouts(CutoutCases):
    """All shared cases of cut-outs."""


class TestGenerate(GenerateCases):
    """All shared cases."""
