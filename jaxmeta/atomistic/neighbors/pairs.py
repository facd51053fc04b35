"""Pairs: which atoms are neighbours, and across which cells."""

from __future__ import annotations

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core.labels._dynamic import check_capacity
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


# Each number of a vector of padding. It is as long as a thousand, which is beyond every
# cutoff, and its twelfth power is a number also in float32.
FAR = 600.0

# Cutoffs are shorter than the vectors of padding.
LONGEST = 1000.0


@final
class Pairs(eqx.Module):
    r"""Pairs of atoms: a pytree of three arrays of int32.

    The vector of a pair goes from the first atom to an image of the second one:
    :math:`r_{second} - r_{first} + \sum_k shifts_k\, cell_k`, with one vector of the cell
    in each row of `cell`. Rows of padding have the number of atoms as first and as second
    atom, which sorts last and is dropped by scatters, and no shift.

    Lists made on the host have arrays of numpy and no padding; those that are padded have
    arrays of JAX.

    Arguments:
        first: row of the first atom, shape (pairs,).
        second: row of the second atom, shape (pairs,).
        shifts: numbers of cells between both, shape (pairs, 3).

    Raises:
        InvalidTypeError: for other dtypes than int32.
        InvalidError: for shapes that do not fit.

    Example:
        >>> one = np.array([0], np.int32)
        >>> pairs = Pairs(one, one, np.array([[0, 0, 1]], np.int32))
        >>> pairs.vectors(jnp.zeros((1, 3)), 4 * jnp.eye(3)).tolist()
        [[0.0, 0.0, 4.0]]
    """

    first: Any
    second: Any
    shifts: Any

    def __init__(self, first: Any, second: Any, shifts: Any) -> None:
        rows = np.shape(first)[:1]
        shapes = {"first": rows, "second": rows, "shifts": (*rows, 3)}
        for name, array in (("first", first), ("second", second), ("shifts", shifts)):
            _check(name, array, shapes[name])
        self.first, self.second, self.shifts = first, second, shifts

    def __len__(self) -> int:
        """How many rows there are, padding among them."""
        return self.first.shape[0]

    @property
    def capacity(self) -> Any:
        """How many rows there are, padding among them (symbolic when exported so)."""
        return self.first.shape[0]

    def mask(self, n_atoms: Any) -> Any:
        """True for rows in use, of `n_atoms` atoms: bool of shape (pairs,)."""
        return self.first < n_atoms

    def n_pairs(self, n_atoms: Any) -> Any:
        """How many rows are in use, of `n_atoms` atoms."""
        return self.mask(n_atoms).sum()

    def vectors(self, positions: Any, cells: Any, system: Any = None) -> jax.Array:
        r"""The vectors from first to second atoms, shape (pairs, 3).

        Values: :math:`r_{second} - r_{first} + \sum_k shifts_k\, cell_k`; in rows of
        padding (600, 600, 600), which is beyond every cutoff and has a norm that can be
        differentiated. Derivatives go to positions and cells; those of padding are zero.

        Arguments:
            positions: shape (atoms, 3), floating point numbers.
            cells: one cell for all atoms, shape (3, 3), or one for each system, shape
                (systems, 3, 3); of the same dtype.
            system: which cell each atom has, integers of shape (atoms,); needed with
                several cells.

        Raises:
            InvalidError: for shapes that do not fit.
            InvalidTypeError: for other dtypes than floating point, and two that differ.
        """
        positions, cells = jnp.asarray(positions), jnp.asarray(cells)
        _check_arrays(positions, cells, system)
        first, second = jnp.asarray(self.first), jnp.asarray(self.second)
        steps = jnp.asarray(self.shifts).astype(positions.dtype)
        cell = _rows(cells, _rows(jnp.asarray(system), first)) if cells.ndim == 3 else cells
        vectors = _rows(positions, second) - _rows(positions, first)
        for axis in range(3):  # no matrix product: devices have fast ones, less precise
            vector = cell[:, axis] if cells.ndim == 3 else cell[axis][None]
            vectors = vectors + steps[:, axis, None] * vector
        used = self.mask(positions.shape[0])
        return jnp.where(used[:, None], vectors, jnp.asarray(FAR, positions.dtype))

    def padded(self, capacity: int, n_atoms: int) -> Pairs:
        """The same pairs with rows of padding behind them, as arrays of JAX.

        Arguments:
            capacity: rows that there should be.
            n_atoms: of how many atoms these are pairs.

        Raises:
            InvalidError: where there are more pairs than `capacity`; the message says how
                many.
        """
        check_capacity(len(self), capacity, "pairs")
        wide = ((0, capacity - len(self)),)
        first, second = (
            np.pad(np.asarray(atoms), wide, constant_values=n_atoms)
            for atoms in (self.first, self.second)
        )
        shifts = np.pad(np.asarray(self.shifts), (*wide, (0, 0)))
        return Pairs(*map(jnp.asarray, (first, second, shifts)))

    def trimmed(self, n_atoms: int) -> Pairs:
        """The rows in use, as arrays of numpy; not for traced arrays.

        Arguments:
            n_atoms: of how many atoms these are pairs.
        """
        used = np.asarray(self.mask(n_atoms))
        first, second = np.asarray(self.first), np.asarray(self.second)
        return Pairs(first[used], second[used], np.asarray(self.shifts)[used])


def _rows(array: jax.Array, rows: jax.Array) -> jax.Array:
    """Rows of an array, zero where there are none: those of padding."""
    if array.shape[0] == 0:
        return jnp.zeros((*rows.shape, *array.shape[1:]), array.dtype)
    return array.at[rows].get(mode="fill", fill_value=0)


def _check(name: str, array: Any, shape: tuple[Any, ...]) -> None:
    dtype = getattr(array, "dtype", None)
    if dtype != np.int32:
        raise InvalidTypeError(
            compose(
                f"Pairs: {name} must be an array of int32.",
                f"found {type(array).__name__}, dtype {dtype}",
                remedy="convert on purpose with .astype(np.int32).",
            )
        )
    if tuple(array.shape) != tuple(shape) or not shape:
        raise InvalidError(
            compose(
                f"Pairs: the shape of {name} does not fit.",
                f"found {tuple(array.shape)}; first and second are of shape (pairs,), "
                "shifts of shape (pairs, 3)",
            )
        )


def _check_arrays(positions: jax.Array, cells: jax.Array, system: Any) -> None:
    for name, array in (("positions", positions), ("cells", cells)):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise InvalidTypeError(
                compose(
                    f"vectors: {name} must be floating point numbers.",
                    f"found dtype {array.dtype}",
                )
            )
    if positions.dtype != cells.dtype:
        raise InvalidTypeError(
            compose(
                "vectors: positions and cells must have one dtype.",
                f"found {positions.dtype} and {cells.dtype}",
                remedy="convert one of them on purpose with .astype(...).",
            )
        )
    _check_shapes(positions, cells, system)


def _check_shapes(positions: jax.Array, cells: jax.Array, system: Any) -> None:
    if positions.ndim != 2 or positions.shape[1] != 3:
        found, wanted = f"positions of shape {positions.shape}", "(atoms, 3)"
    elif cells.ndim not in (2, 3) or cells.shape[-2:] != (3, 3):
        found, wanted = f"cells of shape {cells.shape}", "(3, 3) or (systems, 3, 3)"
    elif cells.ndim == 3 and np.shape(system) != positions.shape[:1]:
        found = f"{cells.shape[0]} cells, and system= of shape {np.shape(system)}"
        wanted = f"a system for each atom, ({positions.shape[0]},)"
    elif cells.ndim == 2 and system is not None:
        found, wanted = "system= with one cell", "several, or no system="
    else:
        return
    raise InvalidError(
        compose(
            "vectors: the shapes do not fit.", f"found {found}", remedy=f"give {wanted}."
        )
    )
