"""A product in surroundings that are made around it: its own pixels stay what they are."""
