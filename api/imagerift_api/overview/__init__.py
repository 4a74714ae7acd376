"""What the account page shows first."""
