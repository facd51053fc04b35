"""Penalties and weights that are best within the structures for training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np

import jaxmeta as jm
from benchmarks.accuracy.data import systems
from benchmarks.accuracy.report import errors, score
from jaxmeta import Labels, TensorMap


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a fit depends on.

    Arguments:
        alpha: the penalty.
        weights: of squared residuals, by parameter.
        exponent: of the kernel, where there is one.
    """

    alpha: float
    weights: Mapping[str, float]
    exponent: int = 1


class Model(Protocol):
    """Features and targets of all structures, fitted to some, and judged by others."""

    @property
    def y(self) -> TensorMap:
        """The targets."""
        ...

    def predicted(self, train: Labels, test: Labels, choice: Choice) -> TensorMap:
        """What a fit to some systems says of others."""
        ...

    def sizes(self, of: Labels) -> Any:
        """By what errors of energies are divided, or None."""
        ...


def grid(
    alphas: Sequence[float], exponents: Sequence[int] = (1,), **weights: Sequence[float]
) -> list[Choice]:
    """All combinations of penalties, exponents and weights."""
    return [
        Choice(alpha, dict(zip(weights, numbers, strict=True)), exponent)
        for exponent in exponents
        for *numbers, alpha in product(*weights.values(), alphas)
    ]


def folds(train: np.ndarray, number: int) -> list[tuple[Labels, Labels]]:
    """Several splits of systems: those kept, and each part of all left out once.

    Every n-th one leaves: neighbours in a file, often alike, are on both sides.
    """
    parts = [train[first::number] for first in range(number)]
    return [(systems(np.setdiff1d(train, part)), systems(part)) for part in parts]


def chosen(
    model: Model, choices: Sequence[Choice], splits: Sequence[tuple[Labels, Labels]]
) -> Choice:
    """The choice with the smallest product of errors, averaged over splits."""

    def mean(choice: Choice) -> float:
        found = [judged(model, kept, left, choice) for kept, left in splits]
        names = found[0]
        return score({n: float(np.mean([each[n] for each in found])) for n in names})

    return min(choices, key=mean)


def judged(model: Model, train: Labels, test: Labels, choice: Choice) -> dict[str, float]:
    """The errors of a fit to some systems for others."""
    prediction = model.predicted(train, test, choice)
    wanted = jm.slice(model.y, "samples", test)
    return errors(prediction, wanted, model.sizes(test))
