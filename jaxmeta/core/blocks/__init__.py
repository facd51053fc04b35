"""Blocks and maps, and what their constructors demand."""
