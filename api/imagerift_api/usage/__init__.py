"""What a workspace used, and was charged for."""
