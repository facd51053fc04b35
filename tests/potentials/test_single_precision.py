"""Potentials and ase's calculator where JAX runs without x64, as it does by default."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


PROGRAM = """
import warnings; warnings.simplefilter("error")
# Of ase 3.29 itself, with numpy 2.5.
warnings.filterwarnings("ignore", module=r"ase\\.", category=DeprecationWarning)
import jax
from ase.build import bulk
from jaxmeta.engines.ase import Calculator
from jaxmeta.errors import PrecisionError
from jaxmeta.potentials import ZBL, EquivariantMessagePassing, LennardJones, Sum

atoms = bulk("Ar", cubic=True, a=5.3)
atoms.rattle(0.1)
pairs = Sum([LennardJones({18: 0.0104}, {18: 3.4}, 6.0), ZBL(3.0, 1.0)])
options = {"channels": 2, "max_angular": 1, "layers": 1, "key": jax.random.key(0)}
network = EquivariantMessagePassing([18], 5.0, **options)
for model in (pairs, network):
    atoms.calc = Calculator(model, dtype="float32")
    print(atoms.get_potential_energy(), abs(atoms.get_forces().sum(axis=0)).max())
try:
    Calculator(pairs)
except PrecisionError as error:
    print(error)
"""


def test_single_precision_needs_no_setting() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    energies = [float(line.split()[0]) for line in lines[:2]]
    assert all(abs(float(line.split()[1])) < 1e-5 for line in lines[:2])
    assert abs(energies[0] - -0.225708) < 1e-4  # that of double precision
    assert lines[2].startswith("Calculator: float64 values, but JAX runs without x64.")
