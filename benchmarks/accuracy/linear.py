"""Linear potentials: energies are features of structures times weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

import jaxmeta as jm
from benchmarks.accuracy.choices import Choice
from jaxmeta import Labels, TensorMap
from jaxmeta.learn import Composition, NormalEquations, Ridge, Scaler


KEYS = ("center_type", "neighbor_1_type", "neighbor_2_type")


def structures(
    soap: Any, systems: Sequence[Any], gradients: Sequence[str], batch_size: int
) -> TensorMap:
    """Features of structures: sums over their atoms, for each type of atom."""
    summed = soap.compute(
        systems,
        gradients=gradients,
        batch_size=batch_size,
        transform=lambda part: jm.sum_over_samples(part, "atom"),
    )
    return summed.keys_to_properties(KEYS)


def centred(
    X: TensorMap, y: TensorMap, counts: TensorMap, train: Labels
) -> tuple[TensorMap, TensorMap]:
    """Both without what the composition explains, features in units of their spread.

    Arguments:
        X: features of structures.
        y: energies, with their gradients.
        counts: numbers of atoms by type.
        train: the systems by which averages and the unit are taken.
    """
    kept = []
    for tensor in (X, y):
        offset = Composition.fit(counts, jm.slice(tensor, "samples", train))
        kept.append(offset.transform(tensor, counts))
    unit = Scaler.fit(jm.slice(kept[0], "samples", train))
    return unit.transform(kept[0]), kept[1]


@dataclasses.dataclass(frozen=True)
class ByRows:
    """Ridge regression from all rows at once, for more features than rows."""

    X: TensorMap
    y: TensorMap

    def sizes(self, of: Labels) -> None:
        """Errors are those of structures."""

    def predicted(self, train: Labels, test: Labels, choice: Choice) -> TensorMap:
        """What a fit to some systems says of others."""
        X, y = (jm.slice(each, "samples", train) for each in (self.X, self.y))
        model = Ridge.fit(X, y, alpha=choice.alpha, sample_weight=choice.weights)
        return model.predict(jm.slice(self.X, "samples", test))


class BySums:
    """Ridge regression from normal equations, for more rows than features.

    The sums of each parameter are kept, so that other weights and penalties cost little.

    Arguments:
        X: features of structures.
        y: targets.
        atoms: numbers of atoms by which errors of energies are divided, or None.
    """

    def __init__(self, X: TensorMap, y: TensorMap, atoms: np.ndarray | None = None) -> None:
        self.X, self.y, self._atoms = X, y, atoms
        self._sums: dict[Labels, dict[str, NormalEquations]] = {}

    def sizes(self, of: Labels) -> np.ndarray | None:
        """The numbers of atoms of these systems."""
        return None if self._atoms is None else self._atoms[of.column("system")]

    def predicted(self, train: Labels, test: Labels, choice: Choice) -> TensorMap:
        """What a fit to some systems says of others."""
        parts = self._sums.setdefault(train, {})
        for name in choice.weights:
            if name not in parts:
                parts[name] = self._added(train, name)
        # A sum of rows with a weight is the weight times the sum of the rows.
        scaled = [
            parts[name].map(lambda array, w=weight: w * array)
            for name, weight in choice.weights.items()
        ]
        sums = scaled[0]
        for other in scaled[1:]:
            sums = sums + other
        return sums.solve(choice.alpha).predict(jm.slice(self.X, "samples", test))

    def _added(self, train: Labels, name: str) -> NormalEquations:
        X, y = (jm.slice(each, "samples", train) for each in (self.X, self.y))
        sizes = self.sizes(train)
        return NormalEquations.zeros(X, y).add(X, y, sample_weight={name: 1.0}, sizes=sizes)
