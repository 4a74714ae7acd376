"""Plans and modes: those of the files, and those that administrators add."""
