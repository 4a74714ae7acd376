"""Administrators by name, and what they did."""
