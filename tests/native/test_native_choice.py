"""Which programs call native kernels, and what happens where they can not be compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representations.real_structures import hypers

from jaxmeta import native
from jaxmeta.atomistic.batching import to_batch
from jaxmeta.atomistic.systems import System
from jaxmeta.errors import MissingError
from jaxmeta.native import _compiler
from jaxmeta.representations import SoapPowerSpectrum


ROOT = Path(__file__).resolve().parents[2]

SOAP = SoapPowerSpectrum(**hypers(3.0, 2, 2))
WATER = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])

PROGRAM = """
import numpy as np, jax
jax.config.update("jax_enable_x64", True)
from jaxmeta import native
from jaxmeta.atomistic.systems import System
from jaxmeta.representations import SoapPowerSpectrum
soap = SoapPowerSpectrum(
    cutoff={"radius": 3.0, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
    density={"type": "Gaussian", "width": 0.3},
    basis={"type": "TensorProduct", "max_angular": 2,
           "radial": {"type": "Gto", "max_radial": 2}},
)
water = System(np.array([[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), [8, 1, 1])
found = soap.compute(water, gradients=["positions"])
print(repr(sum(float(np.abs(b.values).sum()) for b in found.blocks())))
print(native.why_not().splitlines()[0] if native.why_not() else "kernels")
"""

needs_kernels = pytest.mark.skipif(bool(native.why_not()), reason=native.why_not() or "-")


def started(**variables: str) -> subprocess.Popen[str]:
    """A new process with other variables, which prints a number and why not."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    given = {**os.environ, **variables}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=given, cwd=ROOT, text=True, stdout=pipe, stderr=pipe
    )


def finished(process: subprocess.Popen[str]) -> tuple[float, str]:
    out, said = process.communicate()
    assert process.returncode == 0, said
    assert said == ""  # without noise
    number, reason = out.splitlines()
    return float(number), reason


def expected() -> float:
    with native.portable():
        found = SOAP.compute(WATER)
    return sum(float(np.abs(block.values).sum()) for block in found.blocks())


def calls(function: object, *given: object) -> bool:
    return "jaxmeta_density" in jax.jit(function).lower(*given).as_text()  # type: ignore[arg-type]


@needs_kernels
def test_portable_programs_call_no_kernels() -> None:
    batch = to_batch(WATER, 3.0)
    assert calls(SOAP, batch)
    with native.portable():
        assert not native.in_use("float64")
        assert not calls(SOAP, batch)
    assert native.in_use("float64")
    assert calls(SOAP, batch)


@needs_kernels
def test_compiled_programs_of_both_kinds_are_kept_apart() -> None:
    traced = []

    @jax.jit
    def program(x: jax.Array) -> jax.Array:
        traced.append(native.in_use(x.dtype))
        return x

    program(jnp.ones(2))
    with native.portable():
        program(jnp.ones(2))
        program(jnp.ones(2))
    program(jnp.ones(2))
    assert traced == [True, False]


@needs_kernels
def test_the_context_belongs_to_a_thread() -> None:
    found = []
    with native.portable():
        thread = threading.Thread(target=lambda: found.append(native.in_use("float32")))
        thread.start()
        thread.join()
    assert found == [True]


def test_other_precisions_have_no_kernels() -> None:
    assert not native.in_use("float16")
    assert not native.in_use(jnp.bfloat16)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"JAXMETA_NATIVE": "0"}, "native: JAXMETA_NATIVE=0 asks for programs"),
        ({"CXX": "false"}, "native: kernels.cpp could not be compiled."),
        ({"CXX": "no-such-compiler"}, "native: there is no C++ compiler."),
        ({"JAXMETA_CACHE": "/proc/none"}, "native: compiled kernels can not be kept."),
    ],
)
def test_without_kernels_results_are_the_same(
    variables: dict[str, str], reason: str, tmp_path: Path
) -> None:
    number, found = finished(started(**{"JAXMETA_CACHE": str(tmp_path), **variables}))
    assert found.startswith(reason)
    assert number == pytest.approx(expected(), rel=1e-12)


@needs_kernels
def test_processes_that_compile_at_the_same_time(tmp_path: Path) -> None:
    # Slow enough that both are at it, and quicker than a true compiler.
    compiler = tmp_path / "compiler"
    compiler.write_text(
        "#!/bin/sh\nfor last; do :; done\necho half > $last\nsleep 1\n"
        f"case $* in *kernels.cpp*) cp {_compiler.library('kernels')} $last;;\n"
        f"*) cp {_compiler.library('neighbors')} $last;; esac\n"
    )
    compiler.chmod(0o755)
    cache = tmp_path / "cache"
    both = [started(JAXMETA_CACHE=str(cache), CXX=str(compiler)) for _ in range(2)]
    for process in both:
        number, reason = finished(process)
        assert reason == "kernels"
        assert number == pytest.approx(expected(), rel=1e-12)
    assert len(list(cache.iterdir())) == 2  # and no file that was half done


def test_a_failing_build_says_what_the_compiler_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho 'no room left' >&2\nexit 3\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", f"{compiler} -Wall")
    monkeypatch.setenv("JAXMETA_CACHE", str(tmp_path / "cache"))
    with pytest.raises(MissingError, match="no room left"):
        _compiler.library("kernels")
    assert list((tmp_path / "cache").iterdir()) == []


def test_other_compilers_and_sources_make_other_libraries(
    tmp_path: Path,
) -> None:
    mine, other = _compiler.SOURCES / "kernels.cpp", tmp_path / "kernels.cpp"
    other.write_text("// nothing")
    before = _compiler._identity(["c++"], mine)
    assert before == _compiler._identity(["c++"], mine)
    assert before != _compiler._identity(["c++", "-g"], mine)
    assert before != _compiler._identity(["c++"], other)
