"""What ImageRift ships of others: lists of it for machines, and whether holes are known in it."""
