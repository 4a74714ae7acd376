"""The charts' values as models, and what is written from them."""
