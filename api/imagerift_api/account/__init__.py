"""The account: who is signed in, in which workspace, and what was done there."""
