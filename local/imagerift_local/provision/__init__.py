"""Finding or making the servers that the embedded platform runs."""
