"""The studio: a seeded set of light, backdrop, shadow and camera around a cut-out subject."""
