"""Webhooks: what a workspace has, what they say, and the worker that sends them."""
