"""Errors of predictions, and the rows that hold them against what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import jaxmeta as jm
from benchmarks._rows import Row
from jaxmeta import TensorMap


# eV / angstrom^3 in GPa.
GPA = 160.21766208


def held(name: str, found: float, allowed: float) -> Row:
    """A row whose ratio is the share of what is allowed: its goal is one."""
    return Row(name, found, allowed, found / allowed, 1.0, "<=")


def compared(name: str, found: float, other: float) -> Row:
    """A row for information: how many times smaller the error found is."""
    return Row(name, found, other, other / found, None, ">=")


def errors(prediction: TensorMap, target: TensorMap, sizes: Any = None) -> dict[str, float]:
    """Mean absolute errors: of values (by atom where there are sizes), of gradients."""
    table = jm.learn.metrics(prediction, target, sizes=sizes)
    return {parameter: each.mae for (_, parameter), each in table.items()}


def stress_error(prediction: TensorMap, target: TensorMap, volumes: np.ndarray) -> float:
    """The mean absolute error of stress in GPa, for energies in eV."""
    parts = [np.asarray(each[0].gradient("strain").values) for each in (prediction, target)]
    return float(GPA * (np.abs(parts[0] - parts[1]) / volumes[:, None, None, None]).mean())


def score(found: Mapping[str, float]) -> float:
    """One number for several errors that has no unit: their product."""
    return float(np.prod(list(found.values())))
