"""Sweeps bring to rest whatever was missed: each compares two truths and repairs one of them."""
