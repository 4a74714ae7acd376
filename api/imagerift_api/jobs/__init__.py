"""Jobs: submitted, read, followed, canceled and deleted."""
