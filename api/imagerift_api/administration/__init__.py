"""The admin REST API: workspaces, keys, members and people of the whole installation."""
