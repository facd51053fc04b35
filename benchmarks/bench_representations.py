"""Power spectra beside featomic: values, explicit gradients, energies with forces.

Systems go in, maps come out, with neighbour lists on both sides: `compute` of both. Both
run in this process and are measured in seconds of the processor, so that other work does
not count; featomic is told to use one thread. Energies with forces are those of a linear
model, per atom.

Nothing is measured where featomic or the files of real structures are not there.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._rows import Row, cost, faster
from jaxmeta.atomistic import System, to_batch
from jaxmeta.interop.ase import to_systems
from jaxmeta.representations import SoapPowerSpectrum


DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# File, and how many of its structures.
SETS = {
    "ethanol": ("ethanol_reduced_100.xyz", 100),
    "Si54": ("silicon_bulk_30_noE.xyz", 6),
    "CHNO crystals": ("chno_crystals_shiftml_40.xyz", 12),
    "Li3PS4": ("li3ps4_train.xyz", 15),
}
SETTINGS = {"l4": (4.0, 4, 4), "l6": (5.0, 6, 6)}

# Microseconds for an atom of silicon: energy and forces of a linear model.
LINEAR = {"l4": {"float64": 15, "float32": 8}, "l6": {"float64": 50, "float32": 30}}
ROUNDS, WARM_UP = 5, 3


def measure() -> list[Row]:
    if not (find_spec("featomic") and DATA.is_dir()):
        return []
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    jax.config.update("jax_enable_x64", True)
    rows = [row for name in SETS for size in SETTINGS for row in _of_set(name, size)]
    rows += [_linear(size, dtype) for size in SETTINGS for dtype in LINEAR[size]]
    return [*rows, *_of_growth()]


def _hypers(size: str) -> dict[str, Any]:
    radius, max_angular, max_radial = SETTINGS[size]
    return {
        "cutoff": {"radius": radius, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        "density": {"type": "Gaussian", "width": 0.3},
        "basis": {
            "type": "TensorProduct",
            "max_angular": max_angular,
            "radial": {"type": "Gto", "max_radial": max_radial},
        },
    }


def _frames(name: str) -> list[Any]:
    file, count = SETS[name]
    return import_module("ase.io").read(DATA / file, f":{count}")


def _of_set(name: str, size: str) -> list[Row]:
    """Values and gradients, in both precisions; theirs are always those of float64."""
    frames, rows = _frames(name), []
    systems = to_systems(frames)
    theirs = import_module("featomic").SoapPowerSpectrum(**_hypers(size))
    ours = SoapPowerSpectrum(**_hypers(size))
    for dtype, values, gradients in (("float64", 1.5, 1.2), ("float32", 2.0, 2.0)):
        goal = 3.0 if name == "ethanol" else values
        what = f"power spectrum {size} {dtype}, {name}"
        for kind, asked, least in (
            ("values", [], goal),
            ("position gradients", ["positions"], gradients),
        ):
            times = _alternating(
                lambda asked=asked, dtype=dtype: ours.compute(
                    systems, gradients=asked, dtype=dtype
                ),
                lambda asked=asked: theirs.compute(frames, gradients=asked),
            )
            rows.append(faster(f"{what}: {kind}", *times, least))
    return rows


def _linear(size: str, dtype: str) -> Row:
    """Energies and forces of silicon, microseconds per atom; the batch is made before."""
    systems = to_systems(_frames("Si54"))
    soap, radius = SoapPowerSpectrum(**_hypers(size)), SETTINGS[size][0]
    batch = to_batch(systems, radius, dtype=dtype)
    run = _energy_and_forces(soap, batch)
    atoms = sum(len(system) for system in systems)
    found = _alternating(lambda: run(batch.positions, batch))[0] * 1e6 / atoms
    what = f"µs/atom, energy and forces {size} {dtype}, Si54"
    return cost(what, found, 1.0, LINEAR[size][dtype])


def _of_growth() -> list[Row]:
    """What an atom of silicon costs in large crystals, beside one of a small crystal."""
    bulk, soap = import_module("ase.build").bulk, SoapPowerSpectrum(**_hypers("l4"))
    costs = []
    for repeats in (5, 11, 23):  # 10^3, 10^4 and 10^5 atoms
        atoms = bulk("Si", cubic=True).repeat(repeats)
        atoms.rattle(0.05, seed=1)
        system = System(atoms.positions, atoms.numbers, atoms.cell.array, [True] * 3)
        batch = to_batch(system, 4.0, dtype="float32")
        run = _energy_and_forces(soap, batch)
        costs.append(
            _alternating(lambda run=run, b=batch: run(b.positions, b))[0] / len(atoms)
        )
    return [
        cost(f"µs/atom, forces l4 float32, {n} atoms", each * 1e6, costs[0] * 1e6, 1.3)
        for n, each in zip(("10^4", "10^5"), costs[1:], strict=True)
    ]


def _energy_and_forces(soap: SoapPowerSpectrum, batch: Any) -> Callable[..., Any]:
    """A jitted function of positions and a batch, with weights for each block."""
    rng = np.random.default_rng(0)
    shapes = [block.values.shape[-1] for block in jax.eval_shape(soap, batch).blocks()]
    dtype = batch.positions.dtype
    weights = [jnp.asarray(rng.normal(size=size), dtype) for size in shapes]

    def energy(positions: Any, batch: Any) -> Any:
        blocks = soap(batch.replace(positions=positions)).blocks()
        found = [jnp.sum(b.values @ w) for b, w in zip(blocks, weights, strict=True)]
        return sum(found)

    return jax.jit(jax.value_and_grad(energy))


def _alternating(*programs: Callable[[], Any]) -> list[float]:
    """Seconds of the processor for each program: medians of turns."""
    times: list[list[float]] = [[] for _ in programs]
    for turn in range(-WARM_UP, ROUNDS):
        for program, found in zip(programs, times, strict=True):
            begin = time.process_time()
            jax.block_until_ready(program())
            if turn >= 0:
                found.append(time.process_time() - begin)
    return [statistics.median(found) for found in times]
