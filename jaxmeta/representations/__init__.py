"""Representations of atoms and their neighbourhoods, as labelled arrays."""
