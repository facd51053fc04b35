"""A demonstration: potentials from energies, forces and virials, by linear regression.

``python -m jaxmeta.demo`` runs it. `ridge` is the part to copy.
"""
