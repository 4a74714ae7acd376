"""The modes that are offered."""
