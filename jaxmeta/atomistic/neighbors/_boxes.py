"""Cells as neighbour lists see them: completed where they do not repeat, and checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

from jaxmeta.atomistic.neighbors.pairs import LONGEST
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


_AXES = "abc"

# A cell whose volume is smaller, beside that of the box with the same edges, is flat.
_FLAT = 1e-10

# Shifts of cells are int32, and two of them are subtracted.
_MOST_CELLS = 2**30


class Structures(NamedTuple):
    """Systems one after another, on the host and checked.

    Arguments:
        positions: float64 of shape (atoms, 3).
        cells: float64 of shape (systems, 3, 3); zero where they do not repeat.
        pbc: bool of shape (systems, 3).
        sizes: atoms in each system.
        boxes: the cells, completed where they do not repeat.
    """

    positions: np.ndarray
    cells: np.ndarray
    pbc: np.ndarray
    sizes: np.ndarray
    boxes: np.ndarray

    def one(self, system: int, begin: int) -> Structures:
        """One of the systems, whose atoms begin at this row."""
        rows = slice(begin, begin + int(self.sizes[system]))
        only = slice(system, system + 1)
        return Structures(
            self.positions[rows],
            self.cells[only],
            self.pbc[only],
            self.sizes[only],
            self.boxes[only],
        )


def completed(cell: Any, pbc: Sequence[bool], xp: Any = np) -> Any:
    """The cell with unit vectors, orthogonal to all others, where it does not repeat.

    For arrays of numpy or JAX, as `xp` says; `pbc` is static.
    """
    known = [axis for axis in range(3) if pbc[axis]]
    if len(known) == 3:
        return cell
    if not known:
        return xp.eye(3, dtype=cell.dtype)
    first = cell[known[0]] / xp.linalg.norm(cell[known[0]])
    if len(known) == 2:
        others = [_normal(first, cell[known[1]], xp)]
    else:
        second = _normal(first, xp.eye(3, dtype=cell.dtype)[xp.argmin(abs(first))], xp)
        others = [second, _normal(first, second, xp)]
    rows = [cell[axis] if pbc[axis] else others.pop() for axis in range(3)]
    return xp.stack(rows)


def _normal(left: Any, right: Any, xp: Any) -> Any:
    found = xp.cross(left, right)
    return found / xp.linalg.norm(found)


def inverse(cell: Any, xp: Any = np) -> Any:
    """The inverse of three vectors, by their cross products: quickly compiled."""
    a, b, c = cell[0], cell[1], cell[2]
    sides = xp.stack([xp.cross(b, c), xp.cross(c, a), xp.cross(a, b)], axis=1)
    return sides / (a * sides[:, 0]).sum()


def heights(cell: Any, xp: Any = np) -> Any:
    """Distances between opposite faces of cells with three vectors, shape (..., 3)."""
    return 1 / xp.linalg.norm(xp.linalg.inv(cell), axis=-2)


def check_longest(where: str, cutoff: float) -> None:
    """Refuse cutoffs that reach as far as the vectors of padding."""
    if cutoff >= LONGEST:
        raise InvalidError(
            compose(
                f"{where}: the cutoff must be below {LONGEST:.0f}.",
                f"found {cutoff}",
                remedy="vectors of padding are that long; use another unit of length.",
            )
        )


# Checks ---------------------------------------------------------------------------------


def structures(
    where: str, positions: Any, cells: Any, pbc: Any, sizes: Any = None
) -> Structures:
    """What a list is made of, on the host; without `sizes` one system.

    Raises:
        InvalidError: for shapes that do not fit, numbers that are not finite, and
            periodic axes that are zero or not independent.
        InvalidTypeError: for what is traced, and for what is no number.
    """
    found = _numbers(where, "positions", positions)
    if found.size == 0:
        found = found.reshape(-1, 3)
    _check_shape(where, "positions", found, (None, 3), "(atoms, 3)")
    counts = np.array([len(found)]) if sizes is None else _sizes(where, sizes, len(found))
    boxes = _numbers(where, "cell", cells)
    boxes = boxes[None] if sizes is None else boxes
    expected = "(3, 3)" if sizes is None else f"({len(counts)}, 3, 3)"
    _check_shape(where, "cell", boxes, (len(counts), 3, 3), expected)
    repeats = _periodic(where, pbc, len(counts), sizes is None)
    boxes = np.where(repeats[:, :, None], boxes, 0.0)
    _check_cells(where, boxes, repeats, sizes is None)
    given = np.ascontiguousarray(found)
    return Structures(given, boxes, repeats, counts, _completed_cells(boxes, repeats))


def _completed_cells(cells: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Most systems repeat everywhere or nowhere, and need no work of their own."""
    axes = pbc.sum(axis=1)
    found = np.where((axes == 3)[:, None, None], cells, np.eye(3))
    for system in np.flatnonzero((axes == 1) | (axes == 2)):
        found[system] = completed(cells[system], pbc[system].tolist())
    return found


def on_host(where: str, name: str, given: Any) -> np.ndarray:
    """Any array as one of numpy."""
    if isinstance(given, Tracer):
        raise InvalidTypeError(
            compose(
                f"{where}: the {name} are traced.",
                "this list is made on the host",
                remedy="inside of compiled functions use cell_list.",
            )
        )
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:  # rows of different lengths
        raise InvalidTypeError(
            compose(f"{where}: {name} is no array.", f"found {given!r:.100}")
        ) from error


def _numbers(where: str, name: str, given: Any) -> np.ndarray:
    array = on_host(where, name, given)
    if not jax.numpy.issubdtype(array.dtype, np.number) or array.dtype.kind == "c":
        raise InvalidTypeError(
            compose(f"{where}: {name} must be real numbers.", f"found dtype {array.dtype}")
        )
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        row = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InvalidError(
            compose(f"{where}: {name} is not finite.", f"entry {row} is {array[row]}")
        )
    return array


def _check_shape(
    where: str, name: str, array: np.ndarray, shape: tuple[int | None, ...], words: str
) -> None:
    fits = array.ndim == len(shape) and all(
        wanted in (None, found) for found, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        given = array.shape[1:] if words == "(3, 3)" else array.shape
        raise InvalidError(
            compose(
                f"{where}: the shape of {name} does not fit.",
                f"found {given}, expected {words}",
            )
        )


def _sizes(where: str, given: Any, n_atoms: int) -> np.ndarray:
    sizes = on_host(where, "sizes", given)
    if sizes.size == 0:
        sizes = sizes.reshape(-1).astype(np.int64)
    if sizes.dtype.kind not in "iu" or sizes.ndim != 1 or (sizes < 0).any():
        raise InvalidError(
            compose(
                f"{where}: sizes are the numbers of atoms of each system.",
                f"found {given!r:.100}",
            )
        )
    if sizes.sum() != n_atoms:
        raise InvalidError(
            compose(
                f"{where}: the sizes do not fit the positions.",
                f"the sizes add up to {sizes.sum()}, there are {n_atoms} positions",
            )
        )
    return sizes.astype(np.int64)


def _periodic(where: str, given: Any, systems: int, alone: bool) -> np.ndarray:
    array = on_host(where, "pbc", given)
    if array.dtype != np.bool_:
        raise InvalidTypeError(
            compose(f"{where}: pbc are truth values.", f"found {given!r:.100}")
        )
    shapes = [(), (3,)] if alone else [(), (systems, 3)]
    if array.shape not in shapes:
        raise InvalidError(
            compose(
                f"{where}: the shape of pbc does not fit.",
                f"found {array.shape}, expected {shapes[1]}, or one for all",
            )
        )
    return np.broadcast_to(array, (systems, 3))


def _check_cells(where: str, cells: np.ndarray, pbc: np.ndarray, alone: bool) -> None:
    lengths = np.sqrt((cells * cells).sum(axis=2))
    zero = pbc & (lengths == 0)
    if zero.any():
        system, axis = np.argwhere(zero)[0].tolist()
        raise InvalidError(
            compose(
                f"{where}: the axis {_AXES[axis]} of {_name(system, alone)} is periodic, "
                "but its vector is zero.",
                remedy="give the vector, or say in pbc that this axis does not repeat.",
            )
        )
    unit = cells / np.where(pbc, lengths, 1.0)[:, :, None]
    # Axes that do not repeat are zero, and count as normal to the others.
    products = unit @ unit.swapaxes(1, 2) + np.eye(3) * ~pbc[:, None, :]
    flat = np.flatnonzero(np.linalg.det(products) < _FLAT)
    if len(flat):
        system = int(flat[0])
        raise InvalidError(
            compose(
                f"{where}: the periodic vectors of {_name(system, alone)} are not "
                "independent.",
                f"they are {cells[system][pbc[system]].tolist()}",
            )
        )


def _name(system: int, alone: bool) -> str:
    return "the cell" if alone else f"cell {system}"


def check_room(where: str, given: Structures, cutoff: float, max_pairs: int) -> None:
    """Refuse, before anything is allocated, lists of far too many pairs."""
    tall = heights(given.boxes)
    largest = np.abs(given.positions).max(initial=0)
    many = _expected(given.sizes, np.where(given.pbc, 2 * cutoff / tall, 1.0)) > max_pairs
    far = given.pbc.any(axis=1) & (largest > _MOST_CELLS * tall.min(axis=1))
    begins = np.cumsum(given.sizes) - given.sizes
    for system in np.flatnonzero((many | far) & (given.sizes > 0)).tolist():
        one = given.one(system, int(begins[system]))
        _check_one(where, one, tall[system], cutoff, max_pairs)


def _expected(n_atoms: Any, shares: Any) -> Any:
    """How many pairs there are, by the share of a sphere in a box around all atoms."""
    return math.pi / 6 * np.square(n_atoms, dtype=float) * shares.prod(axis=-1)


def _check_one(
    where: str, given: Structures, tall: np.ndarray, cutoff: float, max_pairs: int
) -> None:
    pbc, largest = given.pbc[0], np.abs(given.positions).max()
    if pbc.any() and largest > _MOST_CELLS * tall.min():
        raise InvalidError(
            compose(
                f"{where}: atoms are too many cells away from the origin.",
                f"the largest coordinate is {largest:.3g}",
                remedy="move the atoms into the cell.",
            )
        )
    extent = np.ptp(given.positions, axis=0).max() + cutoff
    shares = np.where(pbc, 2 * cutoff / tall, min(1.0, 2 * cutoff / extent))
    expected = float(_expected(len(given.positions), shares))
    if expected > max_pairs:
        raise InvalidError(
            compose(
                f"{where}: a list within a cutoff of {cutoff} would be too long.",
                f"about {expected:.1e} pairs are expected of {len(given.positions)} "
                f"atoms, max_pairs is {max_pairs}",
                remedy="use a smaller cutoff (is it in the unit of the positions?), or "
                "allow more by max_pairs=.",
            )
        )
