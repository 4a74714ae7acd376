"""Signing in: the account session, and the issuers that say who somebody is."""
