"""Calculator: models in ase, for molecular dynamics, optimisation and all else it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.batching import to_batch
from jaxmeta.atomistic.evaluation import evaluate
from jaxmeta.atomistic.neighbors.dynamics import NeighborList
from jaxmeta.atomistic.neighbors.options import NeighborListOptions, check_length
from jaxmeta.atomistic.systems import System
from jaxmeta.atomistic.units import unit_conversion_factor
from jaxmeta.core import TensorMap
from jaxmeta.core.layouts._precision import check_dtype, dtype_of
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingExtraError, compose


try:
    import ase
    from ase.calculators import calculator
    from ase.stress import full_3x3_to_voigt_6_stress
except ImportError as error:
    raise MissingExtraError(__name__, "ase", "ase") from error

_WHERE = "Calculator"
# Pairs that are padding cost little, programs for more of them a lot.
_GROWTH = 1.25


class Calculator(calculator.Calculator):
    r"""Energies, forces and stresses of a model, for ase.

    Values: ``energy`` and ``free_energy``, those of the model, in eV; ``forces``, minus the
    derivative by positions, in eV/angstrom; ``stress``, the derivative by strain over the
    volume, in eV/angstrom³, for structures with a cell of three vectors; ``energies`` of
    atoms, for models that are called with ``per_atom=True`` too, as potentials of
    `jaxmeta.potentials` are. Energy and forces come from one compiled program; another one
    has the stress too, and is used from the first time on that it is asked for;
    ``energies`` have one of their own.

    A program is compiled for each list of atoms, and again when the room for pairs is used
    up, which grows by steps of a quarter: in molecular dynamics it is compiled once or
    twice. Neighbours are followed by a `NeighborList`. Positions are given to the model as
    they are: in single precision, `wrap()` atoms that have moved through many cells.

    Arguments:
        model: a function from a `Batch` to a map with samples ``system`` and one number in
            each; the leaves of a pytree are its parameters.
        cutoff: how far neighbours are apart, or which lists there should be, in the unit of
            the model. By default what ``model.requested_neighbor_lists()`` asks for.
        dtype: in which the model computes: ``"float64"`` or ``"float32"``.
        energy_unit: of the energies of the model.
        length_unit: of the positions that the model takes.
        skin: how much farther pairs are kept between steps, in angstrom.

    Raises:
        InvalidTypeError: for what is no model, and a model that asks for no lists, where
            there is no `cutoff`.
        InvalidError: for a dtype that is none, units of other quantities, lengths out of
            range; when called: for a result that is not finite, and what `System` and the
            model refuse.
        PrecisionError: for float64 while JAX runs without x64.

    Example:
        >>> from ase.build import bulk
        >>> from jaxmeta.potentials import LennardJones
        >>> argon = bulk("Ar", "fcc", a=5.3, cubic=True)
        >>> argon.calc = Calculator(LennardJones({18: 0.0104}, {18: 3.4}, cutoff=7.0))
        >>> round(argon.get_potential_energy(), 4)
        -0.2738
        >>> argon.get_forces().shape
        (4, 3)
    """

    def __init__(
        self,
        model: Callable[..., TensorMap],
        *,
        cutoff: float | NeighborListOptions | Sequence[Any] | None = None,
        dtype: Any = "float64",
        energy_unit: str = "eV",
        length_unit: str = "angstrom",
        skin: float = 1.0,
    ) -> None:
        super().__init__()
        self.model = model
        self._dtype = _checked_dtype(dtype)
        self._energy = unit_conversion_factor(energy_unit, "eV")
        self._length = unit_conversion_factor("angstrom", length_unit)
        self._asked = _asked(model, cutoff, length_unit)
        self._skin = _checked_skin(skin) * self._length
        self._lists = self._new_lists()
        self._batch: Batch | None = None
        self._of: Any = None  # the numbers and the periodic axes that the batch is made for
        self.implemented_properties = ["energy", "free_energy", "forces", "stress"]
        if hasattr(model, "atomic_energies"):
            self.implemented_properties.append("energies")
        self._parameters, static = eqx.partition(model, eqx.is_array)
        self._names: tuple[str, ...] = ("positions",)  # of the gradients that are needed
        self._run = jax.jit(
            lambda names, p, batch: _results(eqx.combine(p, static), batch, names),
            static_argnums=0,
        )
        self._run_atoms = jax.jit(lambda p, batch: _energies(eqx.combine(p, static), batch))

    @property
    def neighbor_builds(self) -> int:
        """How often lists of neighbours were made from nothing."""
        return sum(one.builds for one in self._lists)

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = calculator.all_changes,
    ) -> None:
        """What ase calls; results are in `results`."""
        super().calculate(atoms, list(properties), list(system_changes))
        given: Any = self.atoms  # a copy of the structure
        if not len(given):
            raise InvalidError(compose(f"{_WHERE}: there are no atoms."))
        if "stress" in properties:  # who asks once will ask again, at every step
            self._names = ("positions", "strain")
        batch = self._batch_of(given)
        found = self._run(self._names, self._parameters, batch)
        energy, gradient, *strain = (np.asarray(each, np.float64) for each in found)
        _check_finite(energy, gradient, strain, batch)
        self.results["energy"] = self.results["free_energy"] = float(energy) * self._energy
        self.results["forces"] = -gradient * (self._energy * self._length)
        if strain and given.cell.rank == 3:
            stress = strain[0] * (self._energy / given.get_volume())
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)
        if "energies" in properties:
            energies = self._run_atoms(self._parameters, batch)
            self.results["energies"] = np.asarray(energies, np.float64) * self._energy

    def _batch_of(self, atoms: ase.Atoms) -> Batch:
        """The structure as a batch; what does not move is made only once."""
        pbc = np.asarray(atoms.pbc, bool)
        positions = atoms.positions * self._length
        cell = np.where(pbc[:, None], np.asarray(atoms.cell) * self._length, 0.0)
        now = (atoms.numbers.tobytes(), pbc.tobytes())
        if self._batch is None or self._of != now:
            system = System(positions, atoms.numbers, cell, pbc)
            self._batch, self._of = to_batch(system, dtype=self._dtype), now
            self._lists = self._new_lists()
        pairs = [one.update(positions, cell, pbc) for one in self._lists]
        return self._batch.replace(
            positions=positions.astype(self._dtype),
            cells=cell.astype(self._dtype)[None],
            pairs=dict(zip(self._asked, pairs, strict=True)),
        )

    def _new_lists(self) -> list[NeighborList]:
        return [NeighborList(one, self._skin, growth=_GROWTH) for one in self._asked]


def _results(model: Any, batch: Batch, names: Sequence[str]) -> list[Any]:
    """The energy, and its derivatives by positions and strain, as arrays."""
    tensor = evaluate(model, batch, gradients=names)
    if len(tensor) != 1 or tensor[0].shape != (1, 1):
        shapes = [block.shape for block in tensor]
        raise InvalidError(
            compose(
                f"{_WHERE}: the model must give one number, in one block.",
                f"found blocks of the shapes {shapes}",
                remedy="give a function that chooses one of them.",
            )
        )
    found = [tensor[0].values[0, 0], tensor[0].gradient("positions").values[..., 0]]
    if "strain" in names:
        found.append(tensor[0].gradient("strain").values[0, ..., 0])
    return found


def _energies(model: Any, batch: Batch) -> Any:
    return model(batch, per_atom=True)[0].values[:, 0]


def _asked(model: Any, cutoff: Any, length_unit: str) -> list[NeighborListOptions]:
    """The lists of neighbours, in the length unit of the model."""
    if not callable(model):
        raise InvalidTypeError(
            compose(
                f"{_WHERE}: a model is a function of batches.",
                f"found {type(model).__name__}",
            )
        )
    if cutoff is None:
        asks: Any = getattr(model, "requested_neighbor_lists", None)
        if asks is None:
            raise InvalidTypeError(
                compose(
                    f"{_WHERE}: the model does not say which neighbours it needs.",
                    f"{type(model).__name__} has no requested_neighbor_lists()",
                    remedy="give cutoff=...",
                )
            )
        cutoff = asks()
    several = isinstance(cutoff, Sequence) and not isinstance(cutoff, str)
    given = list(cutoff) if several else [cutoff]
    return sorted({_in_unit(each, length_unit) for each in given})


def _in_unit(asked: Any, length_unit: str) -> NeighborListOptions:
    if not isinstance(asked, NeighborListOptions):
        return NeighborListOptions(asked)
    cutoff = asked.engine_cutoff(length_unit)
    return NeighborListOptions(cutoff, full_list=asked.full_list, strict=asked.strict)


def _checked_skin(given: Any) -> float:
    is_zero = isinstance(given, int | float) and given == 0
    return 0.0 if is_zero else check_length(_WHERE, "skin", given)


def _checked_dtype(given: Any) -> np.dtype:
    dtype = dtype_of(_WHERE, given)
    if dtype not in (np.float32, np.float64):
        raise InvalidError(
            compose(
                f"{_WHERE}: models compute in float32 or float64.",
                f"found dtype {given!r:.100}",
            )
        )
    check_dtype(dtype, _WHERE, 'compute in single precision: dtype="float32".')
    return dtype


def _check_finite(energy: Any, gradient: Any, strain: list[Any], batch: Batch) -> None:
    if all(np.isfinite(each).all() for each in (energy, gradient, *strain)):
        return
    atoms = np.flatnonzero(~np.isfinite(gradient).all(axis=1))
    listed = ", ".join(map(str, atoms[:10])) or "none"
    raise InvalidError(
        compose(
            f"{_WHERE}: the results of the model are not finite.",
            f"the energy is {energy}; atoms whose forces are not finite: {listed}",
            _closest(batch),
            remedy="atoms at one place, or a step that is too long, are usual causes.",
        )
    )


def _closest(batch: Batch) -> str:
    """Which two atoms are closest, of those that are neighbours."""
    found = []
    for pairs in batch.pairs.values():
        own = pairs.trimmed(batch.n_atoms)
        distances = np.linalg.norm(np.asarray(batch.vectors(own)), axis=1)
        if len(own):
            row = int(distances.argmin())
            found.append((float(distances[row]), own.first[row], own.second[row]))
    if not found:
        return ""
    least, first, second = min(found)
    return f"atoms {first} and {second} are closest: {least:.3g} apart"
