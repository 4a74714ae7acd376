"""Pictures that clients upload before they submit."""
