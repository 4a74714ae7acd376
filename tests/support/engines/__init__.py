"""Stand-ins for engines of others', by their published contracts; each says which."""
