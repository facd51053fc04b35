"""Arguments of wrong types, shapes and values: errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typed_calls import untyped

from jaxmeta import Labels
from jaxmeta.atomistic import (
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    System,
    evaluate,
    to_batch,
)
from jaxmeta.errors import InvalidError, JaxmetaError
from jaxmeta.potentials import ZBL, EquivariantMessagePassing, LennardJones


NUCLEI = ZBL(2.0, 1.0)
WATER = System([[0.0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]], [8, 1, 1])
BATCH: Any = to_batch([WATER, WATER], NUCLEI.requested_neighbor_lists())
ODD: list[Any] = [None, "x", 1.5, -1, True, [], {}, object(), np.ones(2), [None], 1j]


def network(**given: Any) -> EquivariantMessagePassing:
    options = {"channels": 2, "max_angular": 1, "layers": 1, "key": jax.random.key(0)}
    return EquivariantMessagePassing([1, 8], 2.0, **(options | given))


# By name a function of one argument, and which of the odd ones it may take.
CALLS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "System(data)": (lambda x: System([], [], data=x), (0, 6)),
    "with_data": (lambda x: WATER.with_data("domain::name", x), ()),
    "pairs_within(cutoff)": (lambda x: BATCH.pairs_within(x), (2,)),
    "pairs_within(full)": (lambda x: BATCH.pairs_within(2.0, full=x), (4,)),
    "vectors": (lambda x: BATCH.vectors(x), ()),
    "strained": (lambda x: BATCH.strained(x), ()),
    "select": (lambda x: BATCH.select(x), ()),
    "evaluate(model)": (lambda x: evaluate(x, BATCH), ()),
    "evaluate(batch)": (lambda x: evaluate(NUCLEI, x), ()),
    "evaluate(gradients)": (lambda x: evaluate(NUCLEI, BATCH, gradients=x), (5, 6)),
    "evaluate(selected)": (lambda x: evaluate(NUCLEI, BATCH, selected_atoms=x), (0,)),
    "ModelOutput(sample_kind)": (lambda x: ModelOutput("eV", x), ()),
    "ModelOutput(gradients)": (lambda x: ModelOutput("eV", "system", x), (5, 6)),
    "ModelOutput(description)": (lambda x: ModelOutput(description=x), (1,)),
    "capabilities(outputs)": (lambda x: ModelCapabilities(x, [1], 5.0), (6,)),
    "capabilities(types)": (lambda x: ModelCapabilities({}, x, 5.0), (5, 6)),
    "capabilities(range)": (lambda x: ModelCapabilities({}, [1], x), (2,)),
    "capabilities(platforms)": (
        lambda x: ModelCapabilities({}, [1], 5.0, platforms=x),
        (5, 6),
    ),
    "capabilities(dtype)": (lambda x: ModelCapabilities({}, [1], 5.0, dtype=x), ()),
    "metadata(authors)": (lambda x: ModelMetadata(authors=x), (5, 6)),
    "metadata(references)": (lambda x: ModelMetadata(references=x), (6,)),
    "metadata(extra)": (lambda x: ModelMetadata(extra=x), (6,)),
    "potential": (lambda x: NUCLEI(x), ()),
    "potential(per_atom)": (lambda x: NUCLEI(BATCH, per_atom=x), (4,)),
    "LennardJones": (lambda x: LennardJones(x, x, 2.0), ()),
    "network(types)": (lambda x: EquivariantMessagePassing(x, 2.0, key=None), ()),
    "network(channels)": (lambda x: network(channels=x), ()),
    "network(layers)": (lambda x: network(layers=x), ()),
    "network(max_angular)": (lambda x: network(max_angular=x), ()),
    "network(offsets)": (lambda x: network(offsets=x), (0, 6)),
    "network(offset)": (lambda x: network(offsets={1: x}), (2, 3)),
    "network(scale)": (lambda x: network(scale=x), (2, 3)),
    "network(key)": (lambda x: network(key=x), ()),
    "features": (lambda x: network().features(x), ()),
}


@pytest.mark.parametrize("name", CALLS)
def test_errors_are_those_of_the_house(name: str) -> None:
    function, taken = CALLS[name]
    for number, odd in enumerate(ODD):
        with untyped():
            if number in taken:
                function(odd)
                continue
            with pytest.raises(JaxmetaError):
                function(odd)


def test_scales_that_are_no_finite_number() -> None:
    with pytest.raises(InvalidError, match="the scale is finite"):
        network(scale=np.nan)


def test_strains_are_those_of_all_systems() -> None:
    with pytest.raises(InvalidError, match=r"\(1, 3, 3\), expected \(2, 3, 3\)"):
        BATCH.strained(jnp.zeros((1, 3, 3)))
    single = jnp.zeros((2, 3, 3), np.float32)
    with pytest.raises(TypeError, match="float32 and float64"):
        BATCH.strained(single)


def test_atoms_are_not_selected_inside_of_compiled_functions() -> None:
    first = Labels(["system", "atom"], [[0, 0]])
    with pytest.raises(InvalidError, match="outside of the compiled function"):
        jax.jit(lambda batch: NUCLEI(batch.select(first)))(BATCH)
    run = jax.jit(NUCLEI)
    assert float(run(BATCH.select(first))[0].values[1, 0]) == 0.0


def test_many_atoms_are_selected_at_once() -> None:
    everything = BATCH.select(BATCH.atoms)
    for each, of_type in BATCH.centers.items():
        assert everything.centers[each].samples == of_type.samples


def test_gradients_that_are_asked_for_twice() -> None:
    names = ["positions", "strain", "positions"]
    found = evaluate(NUCLEI, BATCH, gradients=names)
    assert found[0].gradients_list() == ["positions", "strain"]
