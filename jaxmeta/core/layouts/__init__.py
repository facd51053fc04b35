"""The static half of blocks and maps, and what its arrays must be."""
