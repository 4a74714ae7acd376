"""Webhooks: where they may go, what they say, and the worker that sends them."""
