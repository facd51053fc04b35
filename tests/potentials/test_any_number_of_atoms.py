"""One exported program for any number of systems, atoms and pairs, on several platforms."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax import export
from potentials.potential_cases import structures

from jaxmeta import native
from jaxmeta.atomistic import Room, evaluate, to_batch
from jaxmeta.potentials import (
    ZBL,
    EquivariantMessagePassing,
    LennardJones,
    SoapMLP,
    Sum,
)
from jaxmeta.representations import SoapPowerSpectrum


SOAP = SoapPowerSpectrum(
    cutoff={"radius": 3.5, "smoothing": {"type": "ShiftedCosine", "width": 1.0}},
    density={"type": "Gaussian", "width": 0.5},
    basis={
        "type": "TensorProduct",
        "max_angular": 2,
        "radial": {"type": "Gto", "max_radial": 2},
    },
)
KEY = jax.random.key(1)
POTENTIALS = {
    "pairs": lambda: Sum(
        [LennardJones({1: 0.1, 8: 0.2}, {1: 1.2, 8: 1.5}, 3.5), ZBL(3.0, inner=2.0)]
    ),
    "soap": lambda: SoapMLP(SOAP, [1, 8], [4], key=KEY),
    "messages": lambda: EquivariantMessagePassing(
        [1, 8], 3.5, channels=3, max_angular=1, key=KEY
    ),
}
LARGE = Room(5, 41, 700, {1: 31, 8: 21})  # no number stands for two things


def symbols(batch: Any, room: Room) -> Any:
    """The shapes of a batch of this room, with symbols for its numbers."""
    names = ["systems", "atoms", "pairs", *(f"of_{each}" for each in room.centers)]
    known = [room.systems, room.atoms, room.pairs, *room.centers.values()]
    atleast = [f"{name} >= 1" for name in names]
    made = export.symbolic_shape(", ".join(names), constraints=atleast)
    symbol = dict(zip(known, made, strict=True))

    def shape(array: Any) -> Any:
        first, *others = array.shape
        return jax.ShapeDtypeStruct((symbol[first], *others), array.dtype)

    return jax.tree.map(shape, batch)


@pytest.mark.parametrize(
    "name",
    ["soap", *(pytest.param(n, marks=pytest.mark.long) for n in ("pairs", "messages"))],
)
def test_one_program_for_all_rooms(name: str) -> None:
    potential = POTENTIALS[name]()
    systems = structures([1, 8], spacing=1.6)
    lists = potential.requested_neighbor_lists()
    batch = to_batch(systems, lists, room=LARGE)
    form = jax.tree.structure(batch)

    def program(leaves: list[Any]) -> list[Any]:
        found = evaluate(
            potential, jax.tree.unflatten(form, leaves), gradients=["positions", "strain"]
        )
        return jax.tree.leaves(found)

    with native.portable():
        exported = export.export(jax.jit(program), platforms=["cpu", "cuda", "tpu"])(
            jax.tree.leaves(symbols(batch, LARGE))
        )
    again = export.deserialize(exported.serialize())
    small = Room(1, 6, 40, {1: 5, 8: 6})
    for few, room in ((systems, LARGE), (systems[:1], small)):
        leaves = jax.tree.leaves(to_batch(few, lists, room=room))
        expected = jax.jit(program)(leaves)
        for ours, theirs in zip(again.call(leaves), expected, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)
