"""Neighbour lists: which pairs of atoms are within a cutoff, and across which cells."""

from jaxmeta.atomistic.neighbors.lists import (
    batched_neighbor_pairs as batched_neighbor_pairs,
)
from jaxmeta.atomistic.neighbors.lists import neighbor_pairs as neighbor_pairs
from jaxmeta.atomistic.neighbors.options import NeighborListOptions as NeighborListOptions
from jaxmeta.atomistic.neighbors.pairs import FAR as FAR
from jaxmeta.atomistic.neighbors.pairs import Pairs as Pairs
