"""Signing in, and the issuers that say who somebody is."""
