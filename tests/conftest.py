"""What every kind of test shares."""

from __future__ import annotations

import os

from hypothesis import settings

# Reproducible in CI; a developer's own runs go on looking for new examples.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("default", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "default")
