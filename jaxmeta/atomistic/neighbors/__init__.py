"""Neighbour lists: which pairs of atoms are within a cutoff, and across which cells."""

from jaxmeta.atomistic.neighbors.blocks import neighbors_block as neighbors_block
from jaxmeta.atomistic.neighbors.capacities import CellCapacity as CellCapacity
from jaxmeta.atomistic.neighbors.capacities import cell_capacity as cell_capacity
from jaxmeta.atomistic.neighbors.cell_lists import CellNeeds as CellNeeds
from jaxmeta.atomistic.neighbors.cell_lists import cell_list as cell_list
from jaxmeta.atomistic.neighbors.dynamics import NeighborList as NeighborList
from jaxmeta.atomistic.neighbors.lists import (
    batched_neighbor_pairs as batched_neighbor_pairs,
)
from jaxmeta.atomistic.neighbors.lists import neighbor_pairs as neighbor_pairs
from jaxmeta.atomistic.neighbors.options import NeighborListOptions as NeighborListOptions
from jaxmeta.atomistic.neighbors.pairs import FAR as FAR
from jaxmeta.atomistic.neighbors.pairs import Pairs as Pairs
