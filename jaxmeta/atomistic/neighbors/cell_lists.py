"""Lists of pairs inside of compiled programs, in linear time: cell lists."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic.neighbors._boxes import check_longest
from jaxmeta.atomistic.neighbors._runs import Grid, Runs, Sorted, runs_of, sorted_atoms
from jaxmeta.atomistic.neighbors.capacities import WORD, CellCapacity
from jaxmeta.atomistic.neighbors.options import check_length
from jaxmeta.atomistic.neighbors.pairs import Pairs
from jaxmeta.core.device._device_checks import guarded
from jaxmeta.errors import DeviceCheckError, InvalidError, InvalidTypeError, compose


@final
class CellNeeds(eqx.Module):
    """What `cell_list` would have needed: scalars of the device.

    Arguments:
        pairs: how many pairs there are, as far as they were found.
        run: candidates in the longest column of bins near an atom.
        narrow: whether the cell has become too narrow for the bins.
        finite: whether positions and cell were numbers.
    """

    pairs: Any
    run: Any
    narrow: Any
    finite: Any

    def lost(self, capacity: CellCapacity) -> Any:
        """Whether the list is not complete."""
        small = (self.pairs > capacity.pairs) | (self.run > capacity.run)
        return small | self.narrow | ~self.finite

    def check(self, capacity: CellCapacity) -> None:
        """Raise, on the host, where the list is not complete.

        Raises:
            DeviceCheckError: with what was needed; also if so in one of many frames.
        """
        if np.any(self.lost(capacity)):
            pairs, run, narrow = (
                int(np.max(number)) for number in (self.pairs, self.run, self.narrow)
            )
            finite = int(np.min(self.finite))
            raise DeviceCheckError(_message(capacity, pairs, run, narrow, finite))


def cell_list(
    positions: Any,
    cell: Any,
    pbc: bool | tuple[bool, bool, bool],
    cutoff: float,
    capacity: CellCapacity,
    *,
    full_list: bool = True,
    check: bool = True,
) -> tuple[Pairs, CellNeeds]:
    r"""All pairs of atoms closer than a cutoff, in a compiled program.

    The pairs are those of `neighbor_pairs`, ordered by the first atom, with padding up to
    the capacity. Time and memory grow linearly with the number of atoms. Positions and
    cell may change from call to call; numbers of atoms, axes that repeat, cutoff and
    capacity are static. Works in `jax.jit`, `jax.vmap`, `jax.lax.scan`. The list has no
    derivatives: those of `Pairs.vectors` are complete. Distances are those of the dtype
    of the positions, so that a pair at the cutoff may be there in float32 and not in
    float64.

    A list that would not be complete raises an error when the program runs; the host is
    called for that. With ``check=False`` it is not: then look at what is returned, for
    example after many steps. Exported programs need ``check=False``.

    Arguments:
        positions: floating point numbers, shape (atoms, 3).
        cell: three vectors, one in each row, shape (3, 3), of the same dtype.
        pbc: along which vectors of the cell the system repeats: three truth values, or
            one for all.
        cutoff: a number, in the unit of the positions.
        capacity: from `cell_capacity`.
        full_list: whether each pair is listed from both sides.
        check: whether an incomplete list raises an error.

    Returns:
        The pairs, and what was needed for them.

    Raises:
        InvalidError: for shapes that do not fit, and for a cutoff that is not positive or
            not below 1000.
        InvalidTypeError: for arguments of other types.
        DeviceCheckError: when a program runs in which something does not fit; JAX wraps
            it into an error of its own.

    Example:
        >>> from jaxmeta.atomistic.neighbors.capacities import cell_capacity
        >>> chain = jnp.array([[0.0, 0, 0], [0, 0, 1]])
        >>> room = cell_capacity(chain, jnp.eye(3), False, 2.0)
        >>> pairs, needs = cell_list(chain, jnp.eye(3), False, 2.0, room)
        >>> pairs.first.tolist(), int(needs.pairs)
        ([0, 1, 2], 2)
    """
    where = "cell_list"
    wanted = check_length(where, "cutoff", cutoff)
    check_longest(where, wanted)
    repeats = _static_pbc(where, pbc)
    positions, cell = _arrays(where, positions, cell)
    if not isinstance(capacity, CellCapacity):
        raise InvalidTypeError(
            compose(
                f"{where}: the capacity is a CellCapacity.",
                f"found {capacity!r:.100}",
                remedy="make one by cell_capacity.",
            )
        )
    grid = Grid(capacity.bins, capacity.reach, repeats)
    positions, cell = jax.lax.stop_gradient((positions, cell))
    pairs, needs = _listed(positions, cell, wanted, capacity, grid, full_list)
    if check:
        message = partial(_message, capacity)
        numbers = needs.pairs, needs.run, needs.narrow, needs.finite
        first = guarded(pairs.first, needs.lost(capacity), message, *numbers)
        pairs = Pairs(first, pairs.second, pairs.shifts)
    return pairs, needs


def _message(capacity: CellCapacity, pairs: int, run: int, narrow: int, finite: int) -> str:
    if not finite:
        return compose("cell_list: positions or cell are not finite.")
    facts = [f"there are {pairs} pairs or more, capacity.pairs is {capacity.pairs}"]
    facts += [f"a run has {run} atoms, capacity.run is {capacity.run}"]
    facts += ["the cell is too narrow for the bins"] if narrow else []
    return compose(
        "cell_list: the capacity is too small.",
        *facts,
        remedy="find another capacity, by cell_capacity, for this configuration.",
    )


# Arguments ------------------------------------------------------------------------------


def _static_pbc(where: str, pbc: Any) -> tuple[bool, bool, bool]:
    given = pbc.tolist() if isinstance(pbc, np.ndarray) else pbc
    given = [given] * 3 if isinstance(given, bool) else given
    three = isinstance(given, list | tuple) and len(given) == 3
    if not three or not all(isinstance(one, bool | np.bool_) for one in given):
        raise InvalidTypeError(
            compose(
                f"{where}: pbc are three truth values, which are not traced.",
                f"found {type(pbc).__name__}",
                remedy="give a tuple, as in pbc=(True, True, False).",
            )
        )
    x, y, z = map(bool, given)
    return x, y, z


def _arrays(where: str, positions: Any, cell: Any) -> tuple[jax.Array, jax.Array]:
    positions, cell = jnp.asarray(positions), jnp.asarray(cell)
    if positions.ndim != 2 or positions.shape[1] != 3 or cell.shape != (3, 3):
        raise InvalidError(
            compose(
                f"{where}: the shapes do not fit.",
                f"found positions of shape {positions.shape}, a cell of {cell.shape}",
                remedy="give (atoms, 3) and (3, 3); jax.vmap goes over frames.",
            )
        )
    if positions.dtype != cell.dtype or not jnp.issubdtype(positions.dtype, jnp.floating):
        raise InvalidTypeError(
            compose(
                f"{where}: positions and cell are floating point numbers of one dtype.",
                f"found {positions.dtype} and {cell.dtype}",
            )
        )
    return positions, cell


# The list -------------------------------------------------------------------------------


# Compiled also where it is called by itself.
@partial(jax.jit, static_argnums=(2, 3, 4, 5))
def _listed(
    positions: Any,
    cell: Any,
    cutoff: float,
    capacity: CellCapacity,
    grid: Grid,
    full_list: bool,
) -> tuple[Pairs, CellNeeds]:
    if not positions.shape[0]:
        return _nothing(capacity)
    atoms = sorted_atoms(positions, cell, cutoff, grid, jnp)
    runs = runs_of(atoms, grid, jnp)
    search = _Search(atoms, runs, grid)
    words = _words(search, cutoff, capacity.run, full_list)
    pairs, number = _chosen(search, words, capacity)
    finite = jnp.isfinite(positions).all() & jnp.isfinite(cell).all()
    narrow = atoms.share < 1 - 8 * jnp.finfo(positions.dtype).eps
    return pairs, CellNeeds(number, runs.lengths.max(), narrow, finite)


def _nothing(capacity: CellCapacity) -> tuple[Pairs, CellNeeds]:
    none = jnp.zeros(capacity.pairs, jnp.int32)
    zero = jnp.zeros((), jnp.int32)
    needs = CellNeeds(zero, zero, jnp.zeros((), bool), jnp.ones((), bool))
    return Pairs(none, none, jnp.zeros((capacity.pairs, 3), jnp.int32)), needs


class _Search(NamedTuple):
    atoms: Sorted
    runs: Runs
    grid: Grid

    def found(self, place: Any, column: Any, total: Any) -> tuple[Any, Any]:
        """The atom at a place of a column, and the cell along the third axis."""
        if not self.grid.pbc[2]:
            cells = jnp.zeros_like(place)
        elif self.grid.reach[2] <= self.grid.bins[2]:  # one cell before and after
            cells = (place >= total).astype(jnp.int32) - (place < 0).astype(jnp.int32)
        else:
            cells = place // jnp.maximum(total, 1)
        return column + place - cells * total, cells


def _words(search: _Search, cutoff: float, run: int, full_list: bool) -> Any:
    """Which candidates are neighbours: a bit for each, shape (atoms, columns, words)."""
    atoms, runs, _ = search
    size = min(run, WORD)
    slots = jnp.arange(run, dtype=jnp.int32).reshape(1, 1, -1, size)
    begins, lengths, columns, totals = (array[:, :, None, None] for array in runs[:4])
    row, cells = search.found(begins + slots, columns, totals)
    a, b = runs.cells[:, :, :, None, None]
    near = jnp.zeros((), atoms.positions.dtype)
    sites = atoms.positions[atoms.order]
    steps = [step.astype(sites.dtype) for step in (a, b, cells)]
    for x in range(3):
        apart = sites[:, x].at[row].get(mode="clip")
        apart = apart - atoms.positions[:, x, None, None, None]
        for axis in range(3):
            apart = apart + steps[axis] * atoms.box[axis, x]
        near = near + apart * apart
    chosen = (near < cutoff * cutoff) & (slots < lengths)
    second = atoms.order.at[row].get(mode="clip")
    first = jnp.arange(len(sites), dtype=jnp.int32)[:, None, None, None]
    chosen &= _wanted(first, second, (a, b, cells), atoms, full_list)
    bits = jnp.left_shift(jnp.uint32(1), slots[:, :, :1].astype(jnp.uint32))
    return jnp.sum(jnp.where(chosen, bits, jnp.uint32(0)), axis=-1, dtype=jnp.uint32)


def _wanted(
    first: Any, second: Any, cells: tuple[Any, Any, Any], atoms: Sorted, full_list: bool
) -> Any:
    """Which of all candidates are pairs of the list, if they are close."""
    a, b, c = cells
    if full_list:
        return (first != second) | (a != 0) | (b != 0) | (c != 0)
    total = a + b + c
    later = (total > 0) | ((total == 0) & ((c > 0) | ((c == 0) & (b > 0))))
    return (first < second) | ((first == second) & later)


def _chosen(search: _Search, words: Any, capacity: CellCapacity) -> tuple[Pairs, Any]:
    """The pairs whose bits are set, one after another, and how many there are."""
    atoms, runs, _ = search
    flat = words.ravel()
    counts = jax.lax.population_count(flat).astype(jnp.int32)
    ends = jnp.cumsum(counts)
    rows = jnp.arange(capacity.pairs, dtype=jnp.int32)
    used = rows < ends[-1]
    word = _owners(counts, ends, capacity.pairs)
    bit = _bit(flat[word], rows - ends[word] + counts[word])
    run, part = word // words.shape[2], word % words.shape[2]
    first = run // words.shape[1]
    begins, columns, totals = (
        array.ravel()[run] for array in (runs.begins, runs.columns, runs.totals)
    )
    row, c = search.found(begins + part * WORD + bit, columns, totals)
    second = atoms.order.at[row].get(mode="clip")
    a, b = runs.cells.reshape(2, -1)[:, run]
    shifts = jnp.stack([a, b, c], axis=1) - atoms.cells[second] + atoms.cells[first]
    first, second = (jnp.where(used, each, len(atoms.cells)) for each in (first, second))
    return Pairs(first, second, jnp.where(used[:, None], shifts, 0)), ends[-1]


def _owners(counts: Any, ends: Any, rows: int) -> Any:
    """The word that each row is of: its number is written where its rows begin."""
    begins = jnp.where(counts > 0, ends - counts, rows)
    numbers = jnp.arange(len(counts), dtype=jnp.int32)
    marks = jnp.zeros(rows, jnp.int32).at[begins].set(numbers, mode="drop")
    return jax.lax.cummax(marks)


def _bit(words: Any, rank: Any) -> Any:
    """The place of the bit of each word that has so many set bits below it."""
    place = jnp.zeros_like(rank)
    for size in (16, 8, 4, 2, 1):
        part = (words >> place.astype(jnp.uint32)) & jnp.uint32((1 << size) - 1)
        below = jax.lax.population_count(part).astype(jnp.int32)
        beyond = rank >= below
        rank = jnp.where(beyond, rank - below, rank)
        place = jnp.where(beyond, place + size, place)
    return place
