"""Ridge regression on energies and on their explicit gradients, in labelled operations.

A linear model ``energy = features · weights`` predicts forces and virials too: they are
the gradients of the features times the same weights. Every row of the features, be it a
value or a gradient, so gives one linear equation for the weights. The three kinds of
equations enter with the error that a row of each may have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp

import jaxmeta as jm


class Equations(NamedTuple):
    """Normal equations ``left · weights = right``; their samples are the features."""

    left: jm.TensorMap
    right: jm.TensorMap


def without_composition(
    tensor: jm.TensorMap, composition: jm.TensorMap, train: jm.Labels
) -> jm.TensorMap:
    """What the numbers of atoms of each type do not explain.

    Of energies this takes away the energies of free atoms, of features their averages.
    Gradients stay as they are: moving atoms does not change how many there are.

    Arguments:
        tensor: energies or features, samples ``system``.
        composition: numbers of atoms of each type, with the same samples.
        train: the systems that the linear fit sees.
    """
    known = jm.slice(jm.remove_gradients(tensor), "samples", train)
    per_atom = jm.lstsq(jm.slice(composition, "samples", train), known, rcond=None)
    return tensor - jm.dot(composition, per_atom)


def normal_equations(features: jm.TensorMap, targets: jm.TensorMap) -> dict[str, Equations]:
    """The equations of the values, and those of each gradient, by name.

    Their sum over many rows is as small as the number of features; whatever is weighted,
    the rows are needed once.
    """
    jm.equal_metadata_raise(features, targets, check=["samples", "components"])
    equations = {"values": _products(features, targets)}
    for name in targets.block(0).gradients_list():
        equations[name] = _products(gradient(features, name), gradient(targets, name))
    return equations


def gradient(tensor: jm.TensorMap, name: str) -> jm.TensorMap:
    """One gradient of every block, as a map of its own."""
    return jm.TensorMap(tensor.keys, [block.gradient(name) for block in tensor])


def _products(features: jm.TensorMap, targets: jm.TensorMap) -> Equations:
    pairs = [(block, targets.block(key)) for key, block in features.items()]
    left = [_sum_over_rows(x, x) for x, _ in pairs]
    right = [_sum_over_rows(x, y) for x, y in pairs]
    return Equations(jm.TensorMap(features.keys, left), jm.TensorMap(features.keys, right))


def _sum_over_rows(x: jm.TensorBlock, y: jm.TensorBlock) -> jm.TensorBlock:
    """Products of the properties of x with those of y, over samples and components."""
    rows_x = x.values.reshape(-1, len(x.properties))
    rows_y = y.values.reshape(-1, len(y.properties))
    return jm.TensorBlock(rows_x.T @ rows_y, x.properties, [], y.properties)


def fit(
    equations: Mapping[str, Equations], errors: Mapping[str, float], ridge: float
) -> jm.TensorMap:
    """The weights, such that ``dot(features, weights)`` predicts values and gradients.

    Arguments:
        equations: those of `normal_equations`.
        errors: which kinds of rows take part, and what error each of their rows may
            have, in its own unit: a row counts by the square of its inverse.
        ridge: the penalty on the weights, as a fraction of the average curvature.
    """
    importance = {name: 1 / error**2 for name, error in errors.items()}
    left, *more_left = (equations[name].left * f for name, f in importance.items())
    right, *more_right = (equations[name].right * f for name, f in importance.items())
    for other_left, other_right in zip(more_left, more_right, strict=True):
        left, right = left + other_left, right + other_right
    return jm.solve(left + _penalty(left, ridge), right)


def _penalty(left: jm.TensorMap, ridge: float) -> jm.TensorMap:
    blocks = []
    for block in left:
        size = len(block.properties)
        curvature = jnp.trace(block.values) / size
        blocks.append(block.with_values(ridge * curvature * jnp.eye(size)))
    return jm.TensorMap(left.keys, blocks)
