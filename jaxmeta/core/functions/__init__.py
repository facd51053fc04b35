"""Functions of one sample."""
