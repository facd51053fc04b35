"""Atoms: systems, batches, neighbours, units, what models give, and how to ask for it."""

from jaxmeta.atomistic.batches import Batch as Batch
from jaxmeta.atomistic.batches import Centers as Centers
from jaxmeta.atomistic.batching import Room as Room
from jaxmeta.atomistic.batching import to_batch as to_batch
from jaxmeta.atomistic.capabilities import ModelCapabilities as ModelCapabilities
from jaxmeta.atomistic.capabilities import ModelMetadata as ModelMetadata
from jaxmeta.atomistic.capabilities import ModelOutput as ModelOutput
from jaxmeta.atomistic.evaluation import evaluate as evaluate
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
from jaxmeta.atomistic.neighbors.pairs import Pairs as Pairs
from jaxmeta.atomistic.systems import System as System
from jaxmeta.atomistic.units import unit_conversion_factor as unit_conversion_factor
