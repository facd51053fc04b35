"""Dynamic samples that are merged, selected, joined and moved: as static ones are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operations.slopes import slopes

import jaxmeta as jm
from jaxmeta import PADDING, DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    JaxmetaError,
    MissingError,
    NotEqualError,
)
from jaxmeta.testing import Recipe, random_map


ROOM = {"samples": 6, "positions": 20, "positions/strain": 50}
FLAT = random_map(
    Recipe(rows=(4, 3, 0), components=(2,), shared=("components",), numbers="positive")
)
NESTED = random_map(
    Recipe(rows=(4, 2), gradients=("positions", "positions/strain"), shared=("components",))
)
KEYS = FLAT.keys.names
EVERY = Labels(
    ["system", "atom"],
    np.unique(np.concatenate([block.samples.values for block in FLAT]), axis=0)[::-1],
)
SYSTEMS = Labels("system", [[5], *np.unique(EVERY.column("system"))[:, None].tolist()])
SOME = Labels("system", EVERY.values[:1, :1])


def both(names: str | list[str], **keywords: Any) -> Callable[[TensorMap], TensorMap]:
    return lambda t: jm.sum_over_samples(t, names, **keywords)


LINEAR: dict[str, Callable[[TensorMap], TensorMap]] = {
    "sum of atoms": both("atom"),
    "sum of everything": both(["atom", "system"]),
    "mean of systems": lambda t: jm.mean_over_samples(t, "system"),
    "slice": lambda t: jm.slice(t, "samples", SOME),
    "compact": lambda t: jm.compact(jm.slice(t, "samples", SOME), {"samples": 5}),
    "join samples": lambda t: jm.join([t, 2.0 * t], "samples", add_dimension="part"),
    "join properties": lambda t: jm.join([t, 2.0 * t], "properties", add_dimension="part"),
    "to samples": lambda t: t.keys_to_samples(t.keys.names[-1]),
    "to samples, unsorted": lambda t: t.keys_to_samples(t.keys.names, sort_samples=False),
    "to properties": lambda t: t.keys_to_properties(t.keys.names),
    "to properties, unsorted": lambda t: t.keys_to_properties(
        t.keys.names, sort_samples=False
    ),
    "to properties, filled": lambda t: t.keys_to_properties(t.keys.names, fill_value=-3.0),
    "components": lambda t: t.components_to_properties(t.component_names),
    "one after another": lambda t: jm.sum_over_samples(
        jm.slice(t.keys_to_samples(t.keys.names), "samples", SOME), "atom"
    ),
}
OF_FLAT: dict[str, Callable[[TensorMap], TensorMap]] = {
    **LINEAR,
    "variance": lambda t: jm.var_over_samples(t, "atom"),
    "deviation": lambda t: jm.std_over_samples(t, ["atom", "system"]),
    "into labels": both("atom", into=SYSTEMS),
    "into one label": both(["atom", "system"], into=Labels.single()),
    "deviation into labels": lambda t: jm.std_over_samples(t, "atom", into=SYSTEMS),
    "to properties, into": lambda t: t.keys_to_properties(KEYS, into=EVERY),
}
TRAVELS = [
    *[(FLAT, name, operation) for name, operation in OF_FLAT.items()],
    *[(NESTED, name, operation) for name, operation in LINEAR.items()],
]
# What is one and the same for gradients of gradients is tried at length only.
SHORT = ("sum of atoms", "join samples", "to properties", "one after another")


@pytest.mark.parametrize(
    ("tensor", "operation"),
    [
        pytest.param(
            tensor,
            operation,
            marks=[pytest.mark.long] if tensor is NESTED and name not in SHORT else [],
        )
        for tensor, name, operation in TRAVELS
    ],
    ids=[f"{'flat' if t is FLAT else 'nested'}: {name}" for t, name, _ in TRAVELS],
)
def test_rows_are_those_of_the_static_map(tensor: TensorMap, operation: Any) -> None:
    both = jm.pad(tensor, ROOM), tensor
    found, expected = jax.jit(lambda both: [operation(one) for one in both])(both)
    assert found.info() == expected.info()
    for block in found:
        for data in (block, *[gradient for _, gradient in block.gradients()]):
            assert not np.asarray(data.values)[~np.asarray(data.samples.mask)].any()
    jm.allclose_raise(jm.unpad(found), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["mean of systems", "deviation", "to properties"])
def test_derivatives_are_those_of_the_rows_in_use(name: str) -> None:
    """Whatever padding holds: no NaN comes out of it, forwards or backwards."""
    padded = jm.pad(FLAT, ROOM)
    junk = [
        jnp.where(leaf == 0, jnp.nan, leaf) if leaf.dtype == float else leaf
        for leaf in jax.tree.leaves(padded)
    ]
    spoilt = jax.tree.unflatten(jax.tree.structure(padded), junk)
    operation = OF_FLAT[name]
    jm.equal_raise(operation(spoilt), operation(padded))
    found, expected = slopes(operation, spoilt), slopes(operation, FLAT)
    for block, like in zip(found, expected, strict=True):
        for array, own in zip(block, like, strict=True):
            np.testing.assert_allclose(array[: len(own)], own, rtol=1e-10, atol=1e-12)
            assert (array[len(own) :] == 0).all()


def chain(rows: int, seed: int) -> TensorMap:
    """Rows of two systems, each of which has one or two gradient rows."""
    rng = np.random.default_rng(seed)
    table = np.array([[i % 2, i] for i in range(rows)], np.int32).reshape(-1, 2)
    n = Labels.range("n", 2)
    pairs = [[i, a] for i in range(rows) for a in (0, i + 1)]
    below = Labels(["sample", "atom"], np.array(pairs, np.int32).reshape(-1, 2))
    gradient = TensorBlock(rng.normal(size=(2 * rows, 2)), below, [], n)
    samples = Labels(["system", "atom"], rng.permutation(table))
    block = TensorBlock(rng.normal(size=(rows, 2)), samples, [], n, {"g": gradient})
    return TensorMap(Labels.single(), [block])


def test_dynamic_labels_to_go_into_and_one_program_for_all_batches() -> None:
    @jax.jit
    @chex.assert_max_traces(n=1)
    def energies(tensor: TensorMap, systems: DynamicLabels) -> tuple[TensorMap, TensorMap]:
        looked_up = jm.sum_over_samples(tensor, "atom", into=systems)
        owned = jm.sum_over_samples(tensor, "atom", into=systems, owner="system")
        return looked_up, owned

    for rows in (0, 1, 4, 7):
        tensor = chain(rows, seed=rows)
        expected = jm.sum_over_samples(tensor, "atom", into=Labels("system", [[1], [0]]))
        systems = DynamicLabels("system", jnp.array([[1], [0], [PADDING]], jnp.int32))
        padded = jm.pad(tensor, {"samples": 8, "g": 20})
        looked_up, owned = energies(padded, systems)
        jm.allclose_raise(jm.unpad(looked_up), expected)
        # Here the dimension is the row itself.
        np.testing.assert_allclose(owned[0].values[:2], expected[0].values[::-1])
        assert looked_up[0].samples.capacity == 3


def test_an_owner_need_not_have_the_names_of_the_labels() -> None:
    tensor = chain(4, seed=0)
    into = Labels("structure", [[17], [4], [9]])
    found = jm.sum_over_samples(tensor, ["system", "atom"], into=into, owner="system")
    assert found[0].samples is into
    by_system = jm.sum_over_samples(tensor, "atom")
    np.testing.assert_allclose(found[0].values[:2], by_system[0].values)
    assert not np.asarray(found[0].values[2]).any()
    padded = jm.pad(tensor, {"samples": 6, "g": 9})
    dynamic = jm.sum_over_samples(padded, ["system", "atom"], into=into, owner="system")
    jm.allclose_raise(jm.unpad(dynamic), found)


# What only a running program can find ---------------------------------------------------

PADDED = jm.pad(chain(4, seed=1), {"samples": 6, "g": 12})
OTHER = jm.pad(chain(4, seed=2), {"samples": 6, "g": 12})
NO_ONE = Labels.range("system", 1)

FAULTS: dict[str, tuple[Callable[[], TensorMap], str]] = {
    "no place": (
        lambda: jm.sum_over_samples(PADDED, "atom", into=NO_ONE),
        "sum_over_samples: some samples have no place in the labels given by into=.\n"
        "  2 of them are not there",
    ),
    "no place among properties": (
        lambda: PADDED.keys_to_properties("_", into=Labels(["system", "atom"], [[0, 0]])),
        "keys_to_properties: some samples have no place",
    ),
    "an owner beyond the labels": (
        lambda: jm.mean_over_samples(PADDED, "atom", into=NO_ONE, owner="system"),
        "2 of them are not there",
    ),
    "other rows": (lambda: PADDED + OTHER, "of the two operands differ"),
    "other rows beside each other": (
        lambda: jm.join([PADDED, OTHER], "properties", add_dimension="part"),
        "join: the samples of the two operands differ",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_give_nan_and_errors_where_they_are_wanted(fault: str) -> None:
    call, says = FAULTS[fault]
    block = call()[0]
    assert np.isnan(np.asarray(block.values)).any()
    if fault != "other rows":  # its gradients are compared by their own labels
        assert np.isnan(np.asarray(block.gradient("g").values)).any()
    with jm.debug.raising(), pytest.raises(Exception, match=re.escape(says)):
        jax.block_until_ready(call())


def test_too_small_a_capacity_is_an_error() -> None:
    def call() -> Any:
        return jm.sum_over_samples(PADDED, "atom", capacity={"samples": 2, "g": 3})

    for small in ({"samples": 1}, {"g": 3}):
        with pytest.raises(Exception, match=r"the capacity for .* is too small"):
            jax.block_until_ready(jm.sum_over_samples(PADDED, "atom", capacity=small))
    with pytest.raises(Exception, match="give a capacity of at least 6"):
        jax.block_until_ready(call())
    with jm.debug.without_errors():
        found = call()
    assert np.isfinite(np.asarray(found[0].values)).all()
    assert np.isnan(np.asarray(found[0].gradient("g").values)).all()
    with jm.debug.without_errors():
        above = jm.sum_over_samples(PADDED, "atom", capacity={"samples": 1})
    assert np.isnan(np.asarray(above[0].gradient("g").values)).all()


def test_rows_are_not_lost_where_nothing_can_be_nan() -> None:
    """No room at all, and no labels at all: there is no number to spoil."""
    none = Labels.range("system", 0)
    with pytest.raises(Exception, match="4 of them are not there"):
        jax.block_until_ready(jm.sum_over_samples(PADDED, "atom", into=none))
    empty = jm.pad(chain(0, seed=1), {"samples": 2, "g": 2})
    assert jm.sum_over_samples(empty, "atom", into=none)[0].shape == (0, 2)
    room = {"samples": 0, "g": 0}
    with (
        jm.debug.without_errors(),
        pytest.raises(Exception, match="give a capacity of at least 2"),
    ):
        jax.block_until_ready(jm.sum_over_samples(PADDED, "atom", capacity=room))


@pytest.mark.parametrize("name", ["sum of atoms", "mean of systems", "deviation", "root"])
def test_no_room_for_samples_but_for_gradient_rows(name: str) -> None:
    """As in a batch of nothing; JAX takes no rows of an array without any."""
    empty = jm.pad(chain(0, seed=1), {"samples": 0, "g": 2})
    operation = {**OF_FLAT, "root": jm.sqrt}[name]
    found = jax.jit(operation)(empty)
    assert not np.asarray(found[0].gradient("g").samples.mask).any()
    assert not np.asarray(found[0].gradient("g").values).any()
    none = Labels.range("system", 0)
    assert jm.mean_over_samples(empty, "atom", into=none)[0].shape == (0, 2)


def test_a_capacity_that_is_enough() -> None:
    found = jm.sum_over_samples(PADDED, "atom", capacity={"samples": 2, "g": 6})
    assert (found[0].shape, found[0].gradient("g").shape) == ((2, 2), (6, 2))
    jm.allclose_raise(jm.unpad(found), jm.sum_over_samples(jm.unpad(PADDED), "atom"))


@pytest.mark.parametrize("sort", [True, False])
def test_capacity_of_moved_keys(sort: bool) -> None:
    """Whether or not samples are sorted; the static map has the order of the blocks."""
    keys = Labels("k", [[0], [1]])
    tensors = [
        TensorMap(keys, [one[0], other[0]])
        for one, other in ((PADDED, OTHER), (jm.unpad(PADDED), jm.unpad(OTHER)))
    ]
    moved, expected = (t.keys_to_samples("k", sort_samples=sort) for t in tensors)
    jm.equal_raise(jm.unpad(moved), expected)
    room = {"samples": 8, "g": 16}
    found = tensors[0].keys_to_samples("k", sort_samples=sort, capacity=room)
    assert (found[0].shape[0], found[0].gradient("g").shape[0]) == (8, 16)
    jm.equal_raise(jm.unpad(found), expected)
    with pytest.raises(Exception, match="give a capacity of at least 8"):
        jax.block_until_ready(
            tensors[0].keys_to_samples("k", sort_samples=sort, capacity=7)
        )


REFUSED: dict[str, tuple[Callable[[], Any], type[JaxmetaError], str]] = {
    "positions of dynamic samples": (
        lambda: jm.slice(PADDED, "samples", [0]),
        DynamicSamplesError,
        r"slice: the samples .* are dynamic, and have no fixed positions",
    ),
    "labels with other names": (
        lambda: jm.sum_over_samples(PADDED, "atom", into=Labels.range("s", 2)),
        InvalidError,
        r"other names.*they have \['s'\], the samples of the result \['system'\].*owner=",
    ),
    "static samples that are not there": (
        lambda: jm.sum_over_samples(jm.unpad(PADDED), "atom", into=NO_ONE),
        InvalidError,
        r"a sample of block \(_=0\) has no place.*the first is \(system=1, atom=",
    ),
    "static samples into dynamic ones": (
        lambda: jm.sum_over_samples(
            jm.unpad(PADDED), "atom", into=DynamicLabels("system", [[0], [1]])
        ),
        InvalidTypeError,
        "are static, those of into= dynamic",
    ),
    "an owner without labels": (
        lambda: jm.sum_over_samples(PADDED, "atom", owner="system"),
        InvalidError,
        "owner= is the name of a dimension",
    ),
    "an owner that is not there": (
        lambda: jm.sum_over_samples(PADDED, "atom", into=NO_ONE, owner="systen"),
        MissingError,
        "did you mean 'system'",
    ),
    "labels and a capacity": (
        lambda: jm.sum_over_samples(PADDED, "atom", into=NO_ONE, capacity=3),
        InvalidError,
        "into= already says how many samples",
    ),
    "a capacity of nothing": (
        lambda: jm.compact(PADDED, {"strain": 3}),
        MissingError,
        "nothing called 'strain' to have a capacity.*'g', 'samples'",
    ),
    "a capacity in words": (
        lambda: jm.compact(PADDED, "3"),  # type: ignore[arg-type]
        InvalidTypeError,
        "the capacity for 'samples' must be a number of rows",
    ),
    "no labels": (
        lambda: jm.sum_over_samples(PADDED, "atom", into=3),  # type: ignore[arg-type]
        InvalidTypeError,
        "into= must be Labels or DynamicLabels.*found int",
    ),
    "other capacities": (
        lambda: PADDED + jm.pad(chain(4, seed=1), {"samples": 7, "g": 12}),
        NotEqualError,
        "other capacities.*room for 6 rows, the other for 7",
    ),
    "static beside dynamic": (
        lambda: jm.join([PADDED, jm.unpad(OTHER)], "samples"),
        DynamicSamplesError,
        "pad",
    ),
    "gradients on the right of dot": (
        lambda: jm.dot(PADDED, jm.unpad(PADDED)),
        DynamicSamplesError,
        "remove_gradients",
    ),
}


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    call, kind, says = REFUSED[case]
    with pytest.raises(kind) as raised:
        call()
    assert re.search(says, str(raised.value), re.DOTALL), str(raised.value)
