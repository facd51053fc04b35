"""DynamicLabels, pad and unpad: round trips, one program for many batches, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import blocks, tensors
from test_block_constructor import block, gradient, nested
from test_map_constructor import tensor

from jaxmeta import (
    PADDING,
    DynamicLabels,
    JaxmetaError,
    Labels,
    TensorBlock,
    TensorMap,
    pad,
    unpad,
)
from jaxmeta.errors import InvalidError, InvalidTypeError


ROOM = {
    "samples": 5,
    "positions": 6,
    "positions/cell": 7,
    "strain": 5,
}
AB = Labels(["a", "b"], [[3, -1], [0, 2]])


def test_labels_with_room() -> None:
    dynamic = DynamicLabels.from_labels(AB, capacity=4)
    assert (dynamic.names, dynamic.capacity, dynamic.shape) == (["a", "b"], 4, (4, 2))
    assert dynamic.values.dtype == jnp.int32
    assert dynamic.values.tolist() == [[3, -1], [0, 2], [PADDING] * 2, [PADDING] * 2]
    assert dynamic.mask.tolist() == [True, True, False, False]
    assert dynamic.to_labels() is AB
    assert DynamicLabels.from_labels(AB).capacity == 2
    assert DynamicLabels.from_labels(Labels.empty("a"), 3).mask.sum() == 0
    assert np.iinfo(np.int32).max == PADDING
    dynamic.names.append("c")
    assert dynamic.names == ["a", "b"]


def test_labels_made_in_a_traced_function() -> None:
    @jax.jit
    def shifted(labels: DynamicLabels) -> DynamicLabels:
        moved = jnp.where(labels.mask[:, None], labels.values + 1, PADDING)
        return DynamicLabels(labels.names, moved)

    found = shifted(DynamicLabels.from_labels(AB, 3))
    assert found.to_labels() == Labels(["a", "b"], AB.values + 1)
    assert DynamicLabels("a", [[1], [2]]).values.dtype == np.int32


@settings(max_examples=25)
@given(st.one_of(tensors(), tensors(nested=True), blocks(), blocks(nested=True)))
def test_round_trip(data: TensorMap | TensorBlock) -> None:
    padded = pad(data, ROOM)
    again = unpad(padded)
    assert again._layout is data._layout
    assert again == data
    assert unpad(data) == data
    more = pad(padded, {name: room + 2 for name, room in ROOM.items()})
    assert more._layout is padded._layout
    assert unpad(more) == data
    # Padding is zeros under PADDING, whatever the dtype.
    for part in padded if isinstance(padded, TensorMap) else [padded]:
        check_padding(part, ROOM["samples"])


def check_padding(part: TensorBlock, rows: int) -> None:
    mask = np.asarray(part.samples.mask)  # type: ignore[union-attr]
    assert part.shape[0] == part.samples.capacity == rows  # type: ignore[union-attr]
    assert not np.asarray(part.values)[~mask].any()
    assert (np.asarray(part.samples.values)[~mask] == PADDING).all()
    for name, below in part.gradients():
        check_padding(below, 7 if name == "cell" else ROOM[name])


def test_kinds_of_arrays_stay() -> None:
    on_host = block(values=np.ones((2, 3, 2)))
    assert isinstance(pad(on_host, 4).values, np.ndarray)
    assert isinstance(unpad(pad(on_host, 4)).values, np.ndarray)
    assert isinstance(pad(block(), np.int64(4)).values, jax.Array)


def test_padding_between_rows_renumbers_gradients() -> None:
    rows = DynamicLabels("system", [[PADDING], [4], [PADDING], [7]])
    below = DynamicLabels(["sample", "atom"], [[3, 0], [PADDING, PADDING], [1, 5], [3, 2]])
    n = Labels.range("n", 1)
    forces = TensorBlock(jnp.arange(4.0)[:, None], below, [], n)
    data = TensorBlock(jnp.array([[9.0], [1.0], [9.0], [2.0]]), rows, [], n, {"x": forces})
    found = unpad(data)
    assert found.samples == Labels("system", [[4], [7]])
    assert found.values.tolist() == [[1], [2]]
    assert found.gradient("x").samples == Labels(
        ["sample", "atom"], [[1, 0], [0, 5], [1, 2]]
    )
    assert found.gradient("x").values.tolist() == [[0], [2], [3]]


def batch(systems: int, forces: int) -> TensorMap:
    n = Labels.range("energy", 1)
    samples = Labels("system", [[7 * i] for i in range(systems)])
    rows = Labels(["sample", "atom"], [[i % systems, i] for i in range(forces)])
    xyz = Labels.range("xyz", 3)
    own = TensorBlock(jnp.full((forces, 3, 1), 2.0), rows, [xyz], n)
    energy = TensorBlock(jnp.ones((systems, 1)), samples, [], n, {"positions": own})
    return TensorMap(Labels.single(), [energy])


def test_one_program_for_all_batches() -> None:
    traces = 0

    @jax.jit
    def total(data: TensorMap) -> Any:
        nonlocal traces
        traces += 1
        part = data.block(0)
        forces = part.gradient("positions")
        parent = forces.samples.values[:, 0]  # padding lies out of bounds: dropped
        work = jnp.zeros(part.shape).at[parent].add(forces.values.sum(axis=1), mode="drop")
        return (part.values + work).sum(), data

    for systems, forces in [(1, 1), (3, 5), (4, 8), (2, 0), (4, 7)]:
        data = batch(systems, forces)
        value, back = total(pad(data, {"samples": 4, "positions": 8}))
        assert value == systems + 6 * forces
        assert unpad(back) == data
    assert traces == 1
    total(pad(batch(4, 8), {"samples": 4, "positions": 9}))
    assert traces == 2


def test_padding_inside_a_traced_function() -> None:
    expected = pad(block(), 4)
    found = jax.jit(lambda b: pad(b, 4))(block())
    assert found._layout is expected._layout
    assert found == expected


def traced(function: Callable[[Any], Any], data: Any) -> Callable[[], Any]:
    return lambda: jax.jit(function)(data)


DEEP = block(gradients={"x": gradient(gradients={"y": nested()})})
PADDED = pad(block(), 3)
CASES: dict[str, tuple[Callable[[], Any], type[JaxmetaError], str]] = {
    "too small": (
        lambda: pad(block(), 1),
        InvalidError,
        r"pad: .*samples.*2 rows, the capacity is 1.*at least 2",
    ),
    "too small for a gradient": (
        lambda: pad(DEEP, {"samples": 2, "x": 2, "x/y": 9}),
        InvalidError,
        r"\bx\b.*3 rows, the capacity is 2.*at least 3",
    ),
    "too small in one block of a map": (
        lambda: pad(tensor(block(), block()), {"samples": 0}),
        InvalidError,
        "2 rows, the capacity is 0",
    ),
    "one number with gradients": (
        lambda: pad(DEEP, 5),
        InvalidError,
        "no capacity for 'x'.*dictionary with 'x' among its names.*3 rows there",
    ),
    "no capacity of a nested gradient": (
        lambda: pad(DEEP, {"samples": 2, "x": 3}),
        InvalidError,
        "no capacity for 'x/y'.*1 rows there",
    ),
    "no capacity of the samples": (
        lambda: pad(DEEP, {"x": 3}),
        InvalidError,
        "no capacity for 'samples'",
    ),
    "a capacity that is no integer": (
        lambda: pad(block(), 2.9),  # type: ignore[type-var, arg-type]
        InvalidTypeError,
        "^pad: the capacity for 'samples' must be an integer.*found 2.9, a float",
    ),
    "a capacity of text": (
        lambda: pad(DEEP, {"samples": 2, "x": "3"}),  # type: ignore[dict-item]
        InvalidTypeError,
        "^pad: the capacity for 'x' must be an integer.*found '3', a str",
    ),
    "padding of an array": (
        lambda: pad(jnp.zeros((2, 1)), 2),  # type: ignore[type-var]
        InvalidTypeError,
        "^pad: the argument must be a TensorMap or a TensorBlock.*found ArrayImpl",
    ),
    "unpadding of an array": (
        lambda: unpad(jnp.zeros((2, 1))),  # type: ignore[type-var]
        InvalidTypeError,
        "^unpad: the argument must be a TensorMap or a TensorBlock",
    ),
    "less room than dynamic samples have": (
        lambda: pad(PADDED, 2),
        InvalidError,
        "at least 3",
    ),
    "samples without dimensions": (
        lambda: pad(block(samples=Labels([], np.zeros((2, 0), int))), 3),
        InvalidError,
        "at least one dimension",
    ),
    "a real row that looks like padding": (
        lambda: pad(block(samples=Labels("system", [[0], [PADDING]])), 3),
        InvalidError,
        "row 1 of the samples has the labels that mark padding.*2147483647",
    ),
    "dynamic samples in a traced function": (
        traced(lambda b: pad(b, 4), PADDED),
        InvalidTypeError,
        "^pad: the values are traced",
    ),
    "unpad in a traced function": (
        traced(unpad, PADDED),
        InvalidTypeError,
        "^unpad: the values are traced",
    ),
    "to_labels in a traced function": (
        traced(lambda b: b.samples.to_labels(), PADDED),
        InvalidTypeError,
        r"^DynamicLabels\.to_labels: the values are traced",
    ),
    "a row that stands twice": (
        lambda: DynamicLabels("a", [[1], [1]]).to_labels(),
        InvalidError,
        "same entry stands twice",
    ),
    "a gradient row of a padding row": (
        lambda: unpad(
            TensorBlock(
                jnp.zeros((2, 1)),
                DynamicLabels("s", [[4], [PADDING]]),
                [],
                Labels.single(),
                {
                    "x": TensorBlock(
                        jnp.zeros((2, 1)),
                        DynamicLabels("sample", [[0], [1]]),
                        [],
                        Labels.single(),
                    )
                },
            )
        ),
        InvalidError,
        "gradient 'x' belongs to no row of the values.*row 1 says sample=1",
    ),
    "no names": (
        lambda: DynamicLabels([], jnp.zeros((2, 0), jnp.int32)),
        InvalidError,
        "at least one dimension needs a name",
    ),
    "another dtype": (
        lambda: DynamicLabels("a", jnp.zeros((2, 1), jnp.int16)),
        InvalidTypeError,
        "must be int32.*found dtype int16",
    ),
    "another shape": (
        lambda: DynamicLabels("a", jnp.zeros((2, 2), jnp.int32)),
        InvalidError,
        r"found shape \(2, 2\) for the names \['a'\]",
    ),
}


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize("case", CASES)
def test_refused(case: str) -> None:
    call, kind, message = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


def test_unpadding_with_traced_values_only() -> None:
    """Labels of a closure are known, values are not."""
    samples = DynamicLabels.from_labels(Labels.range("s", 2), 3)
    with pytest.raises(InvalidTypeError, match="unpad"):
        jax.jit(lambda x: unpad(TensorBlock(x, samples, [], Labels.single())).values)(
            jnp.zeros((3, 1))
        )


@pytest.mark.usefixtures("wrong_types")
def test_only_labels_become_dynamic() -> None:
    with pytest.raises(InvalidTypeError, match="the first argument must be Labels"):
        DynamicLabels.from_labels("x", 3)  # type: ignore[arg-type]
