"""Moves between keys, samples, components and properties."""
