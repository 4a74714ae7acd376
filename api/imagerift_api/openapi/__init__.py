"""The OpenAPI document, assembled from what each route says of itself."""
