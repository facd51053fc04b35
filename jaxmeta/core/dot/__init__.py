"""Products along properties."""
