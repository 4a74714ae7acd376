"""Everything in ImageRift that touches pixels, as plain functions that know nothing of Triton."""
