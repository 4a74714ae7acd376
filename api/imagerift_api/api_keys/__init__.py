"""The API keys of a workspace: made, listed, rotated, revoked."""
