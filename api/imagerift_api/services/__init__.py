"""What the API decides: each service is one thing that a caller can have done."""
