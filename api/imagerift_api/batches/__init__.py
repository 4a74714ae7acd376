"""Batches: jobs that are submitted together."""
