"""Lists on the host: of one system, and of many systems one after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta.atomistic.neighbors._boxes import (
    Structures,
    check_longest,
    check_room,
    on_host,
    structures,
)
from jaxmeta.atomistic.neighbors._interpreted import pairs_of_all
from jaxmeta.atomistic.neighbors._order import in_order, ranks_by_type
from jaxmeta.atomistic.neighbors.options import NeighborListOptions, check_length
from jaxmeta.atomistic.neighbors.pairs import Pairs
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.native.neighbors import finds_neighbors, neighbors


# Longer lists take gigabytes; most often a unit is wrong then.
MOST_PAIRS = 2**27


def neighbor_pairs(
    positions: Any,
    cell: Any,
    pbc: Any,
    cutoff: float | NeighborListOptions,
    *,
    full_list: bool | None = None,
    types: Any = None,
    length_unit: str = "",
    max_pairs: int = MOST_PAIRS,
) -> Pairs:
    r"""All pairs of atoms of one system that are closer than a cutoff.

    A pair is an atom, an atom, and the numbers of cells between them: all with
    :math:`|r_{second} - r_{first} + \sum_k shifts_k\, cell_k| < cutoff`, but for an atom
    with itself. Cells may be skewed and smaller than the cutoff, atoms may lie outside.
    Lists are made in double precision, and carry no derivatives: `Pairs.vectors` has
    those.

    A full list has each pair from both sides. A half list has each once, with ``first <
    second``; of an atom and its own images those with the larger sum of shifts (at equal
    sums with the larger last, then second one), as vesin and metatomic have them.

    The order is that of ``first``, ``second``, ``shifts``; with `types` that of
    ``first``, type of ``second``, ``second``, ``shifts``.

    Arguments:
        positions: shape (atoms, 3).
        cell: three vectors, one in each row, shape (3, 3). Those of axes that are not
            periodic do not count.
        pbc: along which vectors of the cell the system repeats: three truth values, or
            one for all.
        cutoff: in the unit of the positions, or what a model asks for.
        full_list: whether the list is full. By default what the options say, else True.
        types: integers, shape (atoms,), for the other order.
        length_unit: the unit of positions and cell, for the cutoff of options.
        max_pairs: a list for which many more are expected is refused.

    Returns:
        Pairs as arrays of numpy, without padding.

    Raises:
        InvalidError: for shapes that do not fit, numbers that are not finite, a periodic
            axis that is zero or depends on others, a cutoff that is not positive or not
            below 1000, and lists that would be too long.
        InvalidTypeError: for arguments of other types, and positions that are traced.
        MissingExtraError: where there is neither a C++ compiler nor vesin; small systems
            without periodic axes do without.

    Source: cells of linked atoms, Allen and Tildesley, Computer Simulation of Liquids
    (1987), section 5.3.2; without a compiler vesin (https://github.com/metatensor/vesin).

    Example:
        >>> positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 3.0]])
        >>> pairs = neighbor_pairs(positions, np.zeros((3, 3)), False, 2.5)
        >>> pairs.first.tolist(), pairs.second.tolist()
        ([0, 1, 1, 2], [1, 0, 2, 1])
    """
    where = "neighbor_pairs"
    given = structures(where, positions, cell, pbc)
    asked = _asked(where, cutoff, full_list, length_unit)
    return _pairs(where, given, asked, types, max_pairs)


def batched_neighbor_pairs(
    positions: Any,
    cells: Any,
    pbc: Any,
    sizes: Any,
    cutoff: float | NeighborListOptions,
    *,
    full_list: bool | None = None,
    types: Any = None,
    length_unit: str = "",
    max_pairs: int = MOST_PAIRS,
) -> Pairs:
    """All pairs of atoms of many systems, whose atoms stand one after another.

    The list is that of `neighbor_pairs` for each system, with atoms numbered through.
    Pairs are never of two systems.

    Arguments:
        positions: of all atoms, shape (atoms, 3).
        cells: shape (systems, 3, 3), as of `neighbor_pairs`.
        pbc: truth values, shape (systems, 3), or one for all.
        sizes: the number of atoms of each system, shape (systems,).
        cutoff: as of `neighbor_pairs`, and so are all others.
        full_list: as above.
        types: of all atoms, shape (atoms,).
        length_unit: as above.
        max_pairs: for each system.

    Returns:
        Pairs as arrays of numpy, without padding.

    Raises:
        InvalidError: as `neighbor_pairs`, and for sizes that do not fit the positions.
        InvalidTypeError: as `neighbor_pairs`.
        MissingExtraError: as `neighbor_pairs`.

    Example:
        >>> positions = np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 2]])
        >>> cells = np.zeros((2, 3, 3))
        >>> pairs = batched_neighbor_pairs(positions, cells, False, [2, 2], 2.5)
        >>> pairs.first.tolist(), pairs.second.tolist()
        ([0, 1, 2, 3], [1, 0, 3, 2])
    """
    where = "batched_neighbor_pairs"
    given = structures(where, positions, cells, pbc, sizes)
    asked = _asked(where, cutoff, full_list, length_unit)
    return _pairs(where, given, asked, types, max_pairs)


def _asked(
    where: str, cutoff: Any, full_list: bool | None, length_unit: str
) -> tuple[float, bool]:
    """The cutoff in the unit of the positions, and whether the list is full."""
    full = None if full_list is None else check_bool(where, "full_list", full_list)
    if isinstance(cutoff, NeighborListOptions):
        wanted = cutoff.engine_cutoff(length_unit)
        full = cutoff.full_list if full is None else full
    else:
        wanted = check_length(where, "cutoff", cutoff)
    check_longest(where, wanted)
    return wanted, True if full is None else full


def _pairs(
    where: str, given: Structures, asked: tuple[float, bool], types: Any, max_pairs: int
) -> Pairs:
    """The pairs in order: found by native code, or without it where it can not be had."""
    rows = np.arange(len(given.positions))
    ranks = rows if types is None else ranks_by_type(_types(where, types, given))
    check_room(where, given, asked[0], max_pairs)
    if finds_neighbors():
        arrays = given.sizes, given.positions, given.boxes, given.pbc, ranks
        return Pairs(*neighbors(*arrays, *asked))
    return Pairs(*in_order(*pairs_of_all(given, *asked), ranks))


def _types(where: str, given: Any, structures: Structures) -> np.ndarray:
    types = on_host(where, "types", given)
    if types.dtype.kind not in "iu" and types.size:
        raise InvalidTypeError(
            compose(f"{where}: the types must be integers.", f"found dtype {types.dtype}")
        )
    if types.shape != structures.positions.shape[:1]:
        raise InvalidError(
            compose(
                f"{where}: the types do not fit the positions.",
                f"there are types of shape {types.shape} for "
                f"{len(structures.positions)} atoms",
            )
        )
    return types
