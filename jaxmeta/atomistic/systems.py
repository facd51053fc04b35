"""System: one structure, as atoms, a cell, and whatever else a model may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import numpy as np

from jaxmeta.atomistic import _system_checks as checks
from jaxmeta.atomistic._quantities import per_atom
from jaxmeta.core import TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose


_FIELDS = ("positions", "types", "cell", "pbc", "data")


@final
class System(eqx.Module):
    """Atoms in space: where they are, of which types, in which cell.

    A pytree of arrays. Arrays of numpy stay what they are, arrays of JAX too, so that a
    system can be read on the host, or made and differentiated in a traced function. Many
    systems go into models as one `Batch`.

    Arguments:
        positions: Cartesian coordinates, shape (atoms, 3), in the length unit of whoever
            uses the system. Numbers that are no array become float64.
        types: what the atoms are, most often atomic numbers; integers of shape (atoms,),
            not negative.
        cell: three vectors that span the cell, one a row, shape (3, 3). Rows of axes that
            are not periodic are zero. None for no cell. It gets the dtype of the positions.
        pbc: along which vectors of the cell the system repeats, three truth values; one
            for all of them. Without a cell: along none.
        masses: of each atom, shape (atoms,).
        charges: of each atom, shape (atoms,).
        momenta: of each atom, shape (atoms, 3).
        data: more, as maps by name: a standard quantity of metatomic, or
            ``"domain::name"``. The three above become ``"mass"``, ``"charge"`` and
            ``"momentum"`` here.

    Raises:
        InvalidError: for shapes that do not fit, numbers that are not finite, negative
            types, a periodic axis without a vector, vectors of axes that are not periodic,
            a cell without volume, and a name given twice.
        InvalidTypeError: for what is no number, or types that are no integers.

    Example:
        >>> water = System([[0.0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]], [8, 1, 1])
        >>> len(water), water.pbc.tolist()
        (3, [False, False, False])
        >>> salt = System([[0.0, 0, 0], [2.8, 0, 0]], [11, 17], 5.6 * np.eye(3), pbc=True)
        >>> salt.cell[0].tolist()
        [5.6, 0.0, 0.0]
    """

    positions: Any
    types: Any
    cell: Any
    pbc: Any
    data: dict[str, TensorMap]

    def __init__(
        self,
        positions: Any,
        types: Any,
        cell: Any = None,
        pbc: Any = None,
        *,
        masses: Any = None,
        charges: Any = None,
        momenta: Any = None,
        data: Mapping[str, TensorMap] | None = None,
    ) -> None:
        self.positions = checks.positions(positions)
        n_atoms, dtype = self.positions.shape[0], self.positions.dtype
        self.types = checks.types(types, n_atoms)
        self.cell = checks.cell(cell, dtype)
        self.pbc = checks.periodic(pbc, cell is not None)
        checks.check_cell(self.cell, self.pbc)
        arrays = {"mass": masses, "charge": charges, "momentum": momenta}
        known = {
            name: per_atom(name, checks.extra(name, array, n_atoms))
            for name, array in arrays.items()
            if array is not None
        }
        self.data = _joined(known, {} if data is None else data)

    def __len__(self) -> int:
        """How many atoms there are."""
        return self.positions.shape[0]

    def get_data(self, name: str) -> TensorMap:
        """One of the maps in `data`.

        Raises:
            MissingError: when there is none of this name; the message has those there are.
        """
        if name not in self.data:
            raise MissingError(
                compose(
                    f"System: there is no {name!r} in its data.",
                    choices(name, self.data),
                    remedy=f"System(..., data={{{name!r}: map}}) or with_data(name, map).",
                )
            )
        return self.data[name]

    def with_data(self, name: str, tensor: TensorMap) -> System:
        """The same system with one more map, or another one, in its data."""
        return self._replaced(data={**self.data, name: _checked_map(name, tensor)})

    def with_positions(self, positions: Any) -> System:
        """The same atoms elsewhere; shape (atoms, 3)."""
        return self._replaced(positions=positions)

    def with_cell(self, cell: Any, pbc: Any = None) -> System:
        """The same atoms in another cell; `pbc` stays as it is if None."""
        return self._replaced(cell=cell, pbc=self.pbc if pbc is None else pbc)

    def _replaced(self, **fields: Any) -> System:
        kept = {name: getattr(self, name) for name in _FIELDS}
        return System(**(kept | fields))

    def __repr__(self) -> str:
        n_atoms = getattr(self.positions, "shape", ("?",))[0]
        if isinstance(self.pbc, np.ndarray):
            axes = "".join(x for x, p in zip("abc", self.pbc, strict=True) if p)
            where = f"periodic along {axes}" if axes else "not periodic"
        else:
            where = f"pbc {self.pbc}"
        more = f", data: {', '.join(self.data)}" if self.data else ""
        return f"System({n_atoms} atoms, {where}{more})"


def _joined(
    known: dict[str, TensorMap], data: Mapping[str, TensorMap]
) -> dict[str, TensorMap]:
    if not isinstance(data, Mapping):
        raise InvalidTypeError(
            compose(
                "System: data are maps by name.",
                f"found a {type(data).__name__}",
                remedy="give {name: TensorMap}.",
            )
        )
    twice = sorted(set(known) & set(data))
    if twice:
        raise InvalidError(
            compose(
                f"System: {twice[0]!r} is given twice.",
                "as an array of its own, and in data",
                remedy="give it once.",
            )
        )
    given = {name: _checked_map(name, tensor) for name, tensor in data.items()}
    return {**known, **given}


def _checked_map(name: Any, tensor: Any) -> TensorMap:
    if not isinstance(name, str) or not isinstance(tensor, TensorMap):
        raise InvalidTypeError(
            compose(
                "System: data are maps by name.",
                f"found {name!r}: {type(tensor).__name__}",
                remedy="give {name: TensorMap}.",
            )
        )
    return tensor
