"""Pairs as a block, in the layout of metatomic."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.atomistic.neighbors.pairs import Pairs
from jaxmeta.core import PADDING, DynamicLabels, Labels, TensorBlock
from jaxmeta.errors import InvalidTypeError, compose


_NAMES = ("first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c")


def neighbors_block(pairs: Pairs, positions: Any, cell: Any) -> TensorBlock:
    """The vectors of pairs of one system, as metatomic has them.

    Values: `Pairs.vectors`, shape (pairs, 3, 1), in the unit of the positions; zero in
    rows of padding. Derivatives go to positions and cell. Samples ``first_atom,
    second_atom, cell_shift_a, cell_shift_b, cell_shift_c``; components ``xyz``; the
    property ``distance`` is 0. Samples are static where the pairs are arrays of numpy,
    as lists of the host are, and dynamic where they are arrays of JAX, as lists with
    padding are.

    Arguments:
        pairs: of one system.
        positions: shape (atoms, 3), floating point numbers.
        cell: three vectors, one in each row, shape (3, 3), of the same dtype.

    Returns:
        A block with one sample for each pair.

    Raises:
        InvalidError: for shapes that do not fit, and a pair that is there twice.
        InvalidTypeError: for what are no pairs, and other dtypes.

    Source: `metatomic.torch.System.add_neighbor_list`
    (https://docs.metatensor.org/metatomic).

    Example:
        >>> from jaxmeta.atomistic.neighbors.lists import neighbor_pairs
        >>> chain, cell = np.array([[0.0, 0, 0], [0, 0, 1]]), np.zeros((3, 3))
        >>> block = neighbors_block(neighbor_pairs(chain, cell, False, 2.0), chain, cell)
        >>> block.samples.values.tolist()
        [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0]]
        >>> block.values[0, :, 0].tolist()
        [0.0, 0.0, 1.0]
    """
    if not isinstance(pairs, Pairs):
        raise InvalidTypeError(
            compose(
                "neighbors_block: the first argument must be Pairs.",
                f"found {type(pairs).__name__}",
            )
        )
    vectors = pairs.vectors(positions, cell)
    samples, used = _samples(pairs, np.shape(positions)[0])
    if used is not None:
        vectors = jnp.where(used[:, None], vectors, jnp.zeros((), vectors.dtype))
    xyz, distance = Labels.range("xyz", 3), Labels.range("distance", 1)
    return TensorBlock(vectors[:, :, None], samples, [xyz], distance)


def _samples(pairs: Pairs, n_atoms: int) -> tuple[Any, Any]:
    """Labels of the rows, and which of them are in use where there may be padding."""
    arrays = pairs.first, pairs.second, pairs.shifts
    if not any(isinstance(array, jax.Array | Tracer) for array in arrays):
        rows = np.column_stack(arrays)
        return Labels(_NAMES, rows), None
    first, second, shifts = map(jnp.asarray, arrays)
    rows = jnp.concatenate([first[:, None], second[:, None], shifts], axis=1)
    used = pairs.mask(n_atoms)
    rows = jnp.where(used[:, None], rows, jnp.int32(PADDING))
    return DynamicLabels(_NAMES, rows), used
