"""Which centers have neighbours of which types: on the host, without padding."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from jaxmeta.atomistic.batches import Batch
from jaxmeta.core import PADDING, Labels


class Group(NamedTuple):
    """What is computed together.

    Arguments:
        center: the type of the centers.
        neighbors: the types of neighbours that an environment must have to be a row.
    """

    center: int
    neighbors: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Presence:
    """For each center, of which types it has neighbours or is itself.

    Arguments:
        types: those there may be, in ascending order.
        there: by type of the center, truth values of shape (centers, types).
        samples: by type of the center, labels ``system, atom`` of its rows.
    """

    types: tuple[int, ...]
    there: dict[int, np.ndarray]
    samples: dict[int, np.ndarray]

    @classmethod
    def of(cls, batch: Batch, cutoff: float) -> Presence:
        """What the list of pairs of a batch says; outside of traced functions."""
        types = tuple(sorted(batch.centers))
        pairs = batch.pairs_within(cutoff)
        first, second = np.asarray(pairs.first), np.asarray(pairs.second)
        real = first < batch.n_atoms
        kinds = np.searchsorted(types, np.asarray(batch.types))
        everywhere = np.zeros((batch.n_atoms, len(types)), bool)
        everywhere[first[real], kinds[second[real]]] = True
        there, samples = {}, {}
        for number, each in enumerate(types):
            centers = batch.centers[each]
            labels = np.asarray(centers.samples.values)
            used = labels[:, 0] != PADDING
            there[each] = everywhere[np.asarray(centers.rows)[used]]
            there[each][:, number] = True
            samples[each] = labels[used]
        return cls(types, there, samples)

    def rows(self, group: Group) -> np.ndarray:
        """The rows of centers of one type with neighbours of all of some types."""
        columns = [self.types.index(each) for each in group.neighbors]
        return np.flatnonzero(self.there[group.center][:, columns].all(axis=1))

    def labels(self, center_type: int, rows: np.ndarray) -> Labels:
        """The labels of these rows."""
        table = self.samples[center_type][rows]
        return Labels(["system", "atom"], table, assume_unique=True)
