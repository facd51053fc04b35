"""Derivatives in forward mode: those that there are, and what to do instead of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from jaxmeta.atomistic import System, to_batch
from jaxmeta.errors import InvalidTypeError
from jaxmeta.representations import NeighborList, SoapPowerSpectrum, SphericalExpansion


HYPERS: dict[str, Any] = {
    "cutoff": {"radius": 2.0, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
    "density": {"type": "Gaussian", "width": 0.5},
    "basis": {
        "type": "TensorProduct",
        "max_angular": 1,
        "radial": {"type": "Gto", "max_radial": 1},
    },
}
WATER = System([[0.0, 0, 0], [0.8, 0.6, 0], [-0.7, 0.6, 0.2]], [8, 1, 1])
BATCH: Any = to_batch(WATER, 2.0)


def number(calculator: Any) -> Callable[[Any], Any]:
    """A function of positions, not linear in the values."""

    def of(positions: Any) -> Any:
        blocks = calculator(BATCH.replace(positions=positions)).blocks()
        return sum((block.values**2).sum() for block in blocks)

    return of


@pytest.mark.parametrize(
    "forwards",
    [
        lambda of: jax.hessian(of)(BATCH.positions),
        lambda of: jax.jvp(of, (BATCH.positions,), (BATCH.positions,)),
        lambda of: jax.jit(jax.hessian(of))(BATCH.positions),
    ],
    ids=["hessian", "jvp", "compiled hessian"],
)
@pytest.mark.parametrize("kind", [SphericalExpansion, SoapPowerSpectrum])
def test_densities_say_what_to_do_instead(kind: Any, forwards: Any) -> None:
    with pytest.raises(InvalidTypeError, match=r"jax\.jacrev of jax\.grad"):
        forwards(number(kind(**HYPERS)))


def test_what_they_say_works() -> None:
    of = number(SphericalExpansion(**HYPERS))
    second = np.asarray(jax.jit(jax.jacrev(jax.grad(of)))(BATCH.positions))
    np.testing.assert_allclose(second, np.transpose(second, (2, 3, 0, 1)), atol=1e-9)
    slope, step = jax.jit(jax.grad(of)), 1e-5 * np.random.default_rng(0).normal(size=(3, 3))
    change = slope(BATCH.positions + step) - slope(BATCH.positions - step)
    np.testing.assert_allclose(
        change, 2 * np.einsum("iajb,jb->ia", second, step), rtol=0, atol=1e-9
    )


def test_pairs_have_derivatives_in_both_modes() -> None:
    of = number(NeighborList(cutoff=2.0, full_neighbor_list=True))
    np.testing.assert_allclose(
        jax.hessian(of)(BATCH.positions),
        jax.jacrev(jax.grad(of))(BATCH.positions),
        rtol=1e-12,
        atol=1e-12,
    )
