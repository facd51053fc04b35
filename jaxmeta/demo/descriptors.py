"""Features of atoms in a few directions, with their derivatives, computed once.

What a network gives for forces is a chain of derivatives: its own by the features, and
those of the features by positions, which do not change while it learns. So a step takes
products of small arrays, and no part of the representation is computed again.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxmeta as jm
from jaxmeta.representations import SoapPowerSpectrum


_SMALLEST = 1e-5  # of the largest singular value: below it there is little but noise


class Directions(NamedTuple):
    """The few numbers that features of atoms of one type become: ``(x - mean) @ axes``.

    Principal axes, each divided by the geometric mean of its own deviation and that of
    the first one: the small ones count more than as they are, but less than they would
    with equal deviations, where the smallest ones are noise.
    """

    mean: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, most: int) -> Directions:
        """The axes along which these rows, (atoms, features), vary most."""
        mean = features.mean(axis=0)
        _, sigma, vt = np.linalg.svd(features - mean, full_matrices=False)
        count = max(1, min(most, int((sigma > _SMALLEST * sigma[0]).sum())))
        scale = np.sqrt(sigma[:count] * sigma[0] / len(features))
        return cls(mean, vt[:count].T / scale)


class Stored(NamedTuple):
    """The numbers of atoms of one type; where a structure has fewer atoms, zeros.

    Arguments:
        there: one for each atom, shape (structures, centers).
        values: shape (structures, centers, numbers).
        slopes: derivatives by name: ``positions`` of shape (structures, centers, atoms,
            xyz, numbers), ``strain`` of shape (structures, centers, xyz, xyz, numbers).
    """

    there: Any
    values: Any
    slopes: dict[str, Any]


def directions_of(
    soap: SoapPowerSpectrum, systems: Sequence[Any], most: int
) -> dict[int, Directions]:
    """The directions by type of atoms, from the features of these structures."""
    types = _types(systems)
    features = _beside_each_other(soap.compute(systems), types)
    return {
        key["center_type"]: Directions.of(np.asarray(block.values), most)
        for key, block in jm.map_samples(_normalised, features).items()
    }


def stored(
    soap: SoapPowerSpectrum,
    systems: Sequence[Any],
    directions: Mapping[int, Directions],
    gradients: Sequence[str],
    batch: int,
) -> dict[int, Stored]:
    """The numbers of all atoms by their type, in single precision.

    Features are projected as maps, so that their explicit gradients follow by the chain
    rule; after each batch only the few numbers are left.
    """
    keys = jm.Labels("center_type", np.array([[each] for each in directions]))
    functions = [
        functools.partial(_projected, jnp.asarray(each.mean), jnp.asarray(each.axes))
        for each in directions.values()
    ]
    project, types = jm.nn.ModuleMap(keys, functions), _types(systems)
    found = soap.compute(
        systems,
        gradients=gradients,
        batch_size=batch,
        transform=lambda part: project(_beside_each_other(part, types)),
    )
    sizes = len(systems), max(map(len, systems))
    return {key["center_type"]: _arrays(block, *sizes) for key, block in found.items()}


def _types(systems: Sequence[Any]) -> list[int]:
    return sorted({int(each) for system in systems for each in np.asarray(system.types)})


def _beside_each_other(features: jm.TensorMap, types: Sequence[int]) -> jm.TensorMap:
    """A block for each type of centers, with all pairs of types of neighbours."""
    pairs = list(itertools.combinations_with_replacement(types, 2))
    names = ["neighbor_1_type", "neighbor_2_type"]
    return features.keys_to_properties(jm.Labels(names, np.array(pairs)))


def _normalised(x: Any) -> Any:
    """Of length one, as `SoapMLP` has them."""
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(x**2), jnp.finfo(x.dtype).tiny))


def _projected(mean: Any, axes: Any, x: Any) -> Any:
    return (_normalised(x) - mean) @ axes


def _arrays(block: jm.TensorBlock, structures: int, atoms: int) -> Stored:
    """The rows of a block in their places."""
    samples: Any = block.samples
    system = samples["system"]
    slot = np.arange(len(system)) - np.searchsorted(system, system)  # among its own
    shape, numbers = (structures, int(slot.max()) + 1), len(block.properties)
    there, values = np.zeros(shape, np.float32), np.zeros((*shape, numbers), np.float32)
    there[system, slot], values[system, slot] = 1, block.values
    slopes = {}
    for name, gradient in block.gradients():
        rows: Any = gradient.samples
        sample = rows["sample"]
        where: tuple[Any, ...] = (system[sample], slot[sample])
        axes: tuple[int, ...] = (3, 3)
        if name == "positions":
            where, axes = (*where, rows["atom"]), (atoms, 3)
        slopes[name] = np.zeros((*shape, *axes, numbers), np.float32)
        slopes[name][where] = gradient.values
    return Stored(there, values, slopes)
