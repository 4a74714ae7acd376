"""Tenants as resources: workspaces and their keys, as Kubernetes has them."""
