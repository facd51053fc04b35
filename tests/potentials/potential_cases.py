"""What every potential must do, with few programs to compile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxmeta as jm
from jaxmeta.atomistic import Room, System, evaluate, to_batch
from jaxmeta.potentials import Potential
from jaxmeta.testing import random_rotations, transform_cell, transform_positions


def structures(types: Sequence[int], spacing: float, seed: int = 3) -> list[System]:
    """A molecule, a crystal in a skewed cell and a slab, neighbours `spacing` apart."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 3)
    skewed = np.array([[2.0, 0, 0], [0.3, 2.0, 0], [0, 0.2, 2.0]]) * spacing
    flat = skewed * [[1], [1], [0]]
    found = []
    for n_atoms, cell, pbc in [(5, None, False), (8, skewed, True), (6, flat, [1, 1, 0])]:
        positions = (grid[:n_atoms] + 0.12 * rng.normal(size=(n_atoms, 3))) * spacing
        kinds = rng.choice(types, n_atoms)
        kinds[: len(types)] = types
        pbc = np.broadcast_to(np.array(pbc, bool), 3)
        found.append(System(positions, kinds, cell, pbc))
    return found


class Found(NamedTuple):
    """What a potential gives: for systems with gradients, and for atoms."""

    systems: jm.TensorMap
    atoms: jm.TensorMap

    @property
    def energies(self) -> np.ndarray:
        return np.asarray(self.systems[0].values)[:, 0]

    @property
    def slopes(self) -> np.ndarray:
        return np.asarray(self.systems[0].gradient("positions").values)[..., 0]

    @property
    def strains(self) -> np.ndarray:
        return np.asarray(self.systems[0].gradient("strain").values)[..., 0]

    @property
    def parts(self) -> np.ndarray:
        return np.asarray(self.atoms[0].values)[:, 0]


class Case:
    """A potential, and what it gives for a few structures; programs are compiled once."""

    def __init__(self, potential: Potential, systems: list[System]) -> None:
        self.potential, self.systems = potential, systems
        self.calls = 0
        self.cutoffs = [
            options.cutoff + 0.2 for options in potential.requested_neighbor_lists()
        ]
        self.run = jax.jit(self._called)
        self.batch = self.made(systems)
        self.found: Found = self.run(self.batch)

    def _called(self, batch: Any) -> Found:
        self.calls += 1  # once for each program
        systems = evaluate(self.potential, batch, gradients=["positions", "strain"])
        return Found(systems, self.potential(batch, per_atom=True))

    def made(self, systems: Any, **options: Any) -> Any:
        """A batch whose lists reach a little further than the potential."""
        return to_batch(systems, self.cutoffs, **options)

    def changed(self, change: Callable[[System], System]) -> Found:
        """What there is for structures that were changed, of as many pairs."""
        return self.run(self.made([change(each) for each in self.systems]))


def check_labels(case: Case) -> None:
    """Energies of systems; those of atoms are their parts."""
    systems, atoms = case.found
    assert systems.keys == atoms.keys == jm.Labels.single()
    assert systems[0].samples == case.batch.systems
    assert atoms[0].samples == case.batch.atoms
    assert systems.property_names == atoms.property_names == ["energy"]
    sums = np.zeros(len(case.systems))
    np.add.at(sums, np.asarray(case.batch.owners), case.found.parts)
    _close(sums, case.found.energies, 1e-12)


def check_derivatives(case: Case, tolerance: float = 1e-8) -> None:
    """Gradients against differences of fourth order, along random directions."""
    rng = np.random.default_rng(8)
    batch, h = case.batch, 1e-5
    steps, factors = np.array([-2, -1, 1, 2]) * h, np.array([1, -8, 8, -1]) / (12 * h)
    shift = rng.normal(size=batch.positions.shape)
    strain = rng.normal(size=batch.cells.shape)

    @jax.jit
    def energies(step: Any, shift: Any, strain: Any) -> Any:
        moved = batch.replace(positions=batch.positions + step * shift)
        return case.potential(moved.strained(step * strain))[0].values[:, 0]

    def slope(shift: Any, strain: Any) -> np.ndarray:
        return factors @ np.stack([energies(step, shift, strain) for step in steps])

    expected = np.zeros(len(case.systems))
    np.add.at(expected, np.asarray(batch.owners), (case.found.slopes * shift).sum(axis=1))
    _close(slope(shift, 0 * strain), expected, tolerance)
    expected = (case.found.strains * strain).sum(axis=(1, 2))
    _close(slope(0 * shift, strain), expected, tolerance)


def check_symmetries(case: Case, tolerance: float = 1e-10) -> None:
    """Turned, reflected, moved and wrapped structures have turned forces, or the same."""
    for improper in (False, True):
        matrix = random_rotations(1, seed=5, improper=improper)[0]

        def turned(system: System, matrix: Any = matrix) -> System:
            positions = transform_positions(system.positions, matrix)
            cell = transform_cell(system.cell, matrix)
            return System(positions, system.types, cell, system.pbc)

        found = case.changed(turned)
        _close(found.parts, case.found.parts, tolerance)
        _close(found.slopes, case.found.slopes @ matrix.T, tolerance)
        _close(found.strains, matrix @ case.found.strains @ matrix.T, tolerance)
    rng = np.random.default_rng(9)

    def moved(system: System) -> System:
        steps = rng.integers(-2, 3, (len(system), 3)) * np.asarray(system.pbc)
        return system.with_positions(system.positions + steps @ system.cell + 0.7)

    found = case.changed(moved)
    _close(found.slopes, case.found.slopes, tolerance)
    _close(found.parts, case.found.parts, tolerance)


def check_permutation(case: Case, tolerance: float = 1e-10) -> None:
    """Forces and energies of atoms go with them, where atoms are reordered."""
    system = case.systems[1]
    order = np.random.default_rng(4).permutation(len(system))
    other = System(system.positions[order], system.types[order], system.cell, system.pbc)
    found = case.run(case.made([case.systems[0], other, case.systems[2]]))
    rows = np.arange(len(case.found.parts))
    begin = len(case.systems[0])
    rows[begin : begin + len(system)] = begin + order
    _close(found.energies, case.found.energies, tolerance)
    _close(found.parts, case.found.parts[rows], tolerance)
    _close(found.slopes, case.found.slopes[rows], tolerance)


def check_padding(case: Case, tolerance: float = 1e-10) -> None:
    """Padded batches give the same, and share one program."""
    room = Room.of(case.batch)
    centers = {each: n + 2 for each, n in room.centers.items()}
    wide = Room(room.systems + 2, room.atoms + 5, room.pairs + 40, centers)
    before = case.calls
    for count in (3, 1):
        found = case.run(case.made(case.systems[:count], room=wide))
        n_atoms = sum(map(len, case.systems[:count]))
        for name, size in (("energies", count), ("parts", n_atoms), ("slopes", n_atoms)):
            padded, own = getattr(found, name), getattr(case.found, name)
            _close(padded[:size], own[:size], tolerance)
            assert not padded[size:].any()
        _close(found.strains[:count], case.found.strains[:count], tolerance)
        labels = found.atoms[0].samples.to_labels()
        assert (labels.values == case.batch.atoms.values[:n_atoms]).all()
    assert case.calls == before + 1


def check_selection(case: Case) -> None:
    """Of selected atoms only their own energies count."""
    rows = [1, 4, 6, 13]
    chosen = jm.Labels(["system", "atom"], case.batch.atoms.values[rows])
    found = case.run(case.batch.select(chosen))
    assert found.atoms[0].samples == chosen
    parts = case.found.parts[rows]
    _close(found.parts, parts, 1e-12)
    _close(found.energies, [parts[0] + parts[1], parts[2], parts[3]], 1e-12)


def check_extensivity(case: Case) -> None:
    """Two copies far apart, and two cells, have twice the energy."""
    molecule, crystal, slab = case.systems
    copy = molecule.positions + np.array([0, 100.0, 0])
    far = np.concatenate([molecule.positions, copy])
    twice = [System(far, np.tile(molecule.types, 2))]
    for each in (crystal, slab):
        moved = np.concatenate([each.positions, each.positions + each.cell[0]])
        cell = each.cell * np.array([[2.0], [1], [1]])
        twice.append(System(moved, np.tile(each.types, 2), cell, each.pbc))
    _close(case.run(case.made(twice)).energies, 2 * case.found.energies, 1e-10)


def check_float32(case: Case, tolerance: float = 1e-4) -> None:
    """Single precision gives the same to its own precision, in its own dtype."""
    found = case.run(case.made(case.systems, dtype="float32"))
    assert found.systems.dtype == found.atoms.dtype == np.float32
    for name in ("energies", "parts", "slopes", "strains"):
        wide = getattr(case.found, name)
        _close(getattr(found, name), wide, tolerance * np.abs(wide).max())


def _close(found: Any, expected: Any, tolerance: float) -> None:
    np.testing.assert_allclose(
        np.asarray(found), np.asarray(expected), rtol=tolerance, atol=tolerance
    )


ALL = (
    check_labels,
    check_derivatives,
    check_symmetries,
    check_permutation,
    check_padding,
    check_selection,
    check_extensivity,
    check_float32,
)
