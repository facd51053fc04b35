"""From Cartesian to spherical components and back: featomic's, exact, equivariant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from representations.featomic_peer import Peer, assert_close, there

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, NotEqualError
from jaxmeta.representations.clebsch_gordan import (
    cartesian_to_spherical,
    spherical_to_cartesian,
)
from jaxmeta.testing import assert_exact_gradients, random_rotations, transform_tensor


def names(rank: int) -> list[str]:
    return ["xyz"] if rank == 1 else [f"xyz_{i}" for i in range(1, rank + 1)]


def cartesian(rank: int, around: bool = False, gradients: bool = False) -> TensorMap:
    """Two blocks of random tensors; `around`: with other components on both sides."""
    rng = np.random.default_rng(rank)
    axes = [Labels.range(name, 3) for name in names(rank)]
    if around:
        axes = [Labels.range("before", 2), *axes, Labels.range("after", 2)]
    samples, properties = Labels.range("system", 3), Labels.range("p", 2)
    blocks = []
    for _ in range(2):
        shape = (3, *(len(axis) for axis in axes), 2)
        block = TensorBlock(jnp.asarray(rng.normal(size=shape)), samples, axes, properties)
        if gradients:
            rows = Labels(["sample", "atom"], [[2, 0], [0, 1], [0, 2]])
            by = [Labels.range("direction", 3), *axes]
            values = jnp.asarray(rng.normal(size=(3, 3, *shape[1:])))
            gradient = TensorBlock(values, rows, by, properties)
            block = block.with_gradient("positions", gradient)
        blocks.append(block)
    return TensorMap(Labels(["center_type", "other"], [[1, 0], [8, 0]]), blocks)


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize(
    ("rank", "keep"), [(1, None), (1, True), (2, None), (2, True), (3, None), (4, True)]
)
def test_there_and_back_as_featomic_does(
    rank: int, keep: bool | None, around: bool
) -> None:
    tensor = cartesian(rank, around)
    theirs = Peer.cartesian_to_spherical(there(tensor), names(rank), keep, None)
    found = cartesian_to_spherical(tensor, names(rank), keep, None)
    assert_close(found, theirs)
    back = spherical_to_cartesian(found, names(rank))
    assert_close(back, tensor, 1e-14)
    if keep or rank > 2:
        # Without l_1, l_2 in the keys featomic 0.6 adds them, and then misses them.
        assert_close(back, Peer.spherical_to_cartesian(theirs, names(rank)))


def test_default_names() -> None:
    spherical = cartesian_to_spherical(cartesian(2), names(2))
    found = spherical_to_cartesian(spherical)
    assert found.component_names == ["xyz_1", "xyz_2"]
    assert spherical_to_cartesian(
        cartesian_to_spherical(cartesian(1), ["xyz"])
    ).component_names == ["xyz_1"]


def test_symmetric_and_antisymmetric_tensors_have_fewer_blocks() -> None:
    tensor = cartesian(2)
    blocks = [b.with_values(b.values + b.values.swapaxes(1, 2)) for b in tensor]
    symmetric = TensorMap(tensor.keys, blocks)
    found = cartesian_to_spherical(symmetric, names(2))
    assert found.keys.values[:, :3].tolist() == [[0, 1, 1], [2, 1, 1], [0, 1, 8], [2, 1, 8]]
    assert_close(found, Peer.cartesian_to_spherical(there(symmetric), names(2)))
    # What was zero is zero when it comes back.
    assert_close(spherical_to_cartesian(found), symmetric, 1e-14)
    whole = cartesian_to_spherical(symmetric, names(2), remove_blocks_threshold=None)
    assert len(whole) == 6
    nothing = cartesian_to_spherical(0 * tensor, names(2))
    assert len(nothing) == 0
    assert nothing.keys.names == ["o3_lambda", "o3_sigma", "center_type", "other"]


def test_blocks_with_gradients_alone_are_not_zero() -> None:
    tensor = cartesian(2, gradients=True)
    blocks = [block.with_values(0 * block.values) for block in tensor]
    found = cartesian_to_spherical(TensorMap(tensor.keys, blocks), names(2))
    assert len(found) == 6


def test_polarizabilities_of_molecules(data_folder: Path) -> None:
    frames: Any = ase.io.read(data_folder / "qm7x_reduced_100.xyz", ":10")
    values = np.array(
        [np.reshape(frame.info["polarizability"], (3, 3)) for frame in frames]
    )
    axes = [Labels.range(name, 3) for name in names(2)]
    block = TensorBlock(
        jnp.asarray(values[..., None]),
        Labels.range("system", 10),
        axes,
        Labels.range("polarizability", 1),
    )
    tensor = TensorMap(Labels.single(), [block])
    found = cartesian_to_spherical(tensor, names(2))
    assert_close(found, Peer.cartesian_to_spherical(there(tensor), names(2)), 1e-10)
    trace = np.trace(values, axis1=1, axis2=2)
    scalar = found.block(o3_lambda=0).values.ravel()
    np.testing.assert_allclose(scalar, -trace / np.sqrt(3), rtol=1e-12)


@settings(max_examples=5)
@given(st.integers(0, 2**32), st.booleans(), st.integers(1, 3))
def test_turning_and_changing_components_commute(
    seed: int, improper: bool, rank: int
) -> None:
    tensor = cartesian(rank, gradients=True)
    tensor = jm.rename_dimension(tensor, "components", "direction", "xyz_9")
    matrix = random_rotations(1, seed, improper=improper)[0]
    left = cartesian_to_spherical(transform_tensor(tensor, matrix), names(rank), None, None)
    right = transform_tensor(
        cartesian_to_spherical(tensor, names(rank), None, None), matrix
    )
    assert_close(left, right, 1e-13)


def test_gradients_compiled_and_padded() -> None:
    tensor = cartesian(3, gradients=True)
    assert_exact_gradients(
        lambda t: cartesian_to_spherical(t, names(3), None, None), tensor
    )
    spherical = cartesian_to_spherical(tensor, names(3))
    assert_exact_gradients(spherical_to_cartesian, spherical)
    assert_close(spherical_to_cartesian(spherical), tensor, 1e-14)
    there_and_back = jax.jit(
        lambda t: spherical_to_cartesian(cartesian_to_spherical(t, names(2), None, None))
    )
    tensor = cartesian(2, gradients=True)
    assert_close(there_and_back(tensor), tensor, 1e-14)
    padded = jm.pad(tensor, {"samples": 5, "positions": 4})
    assert_close(jm.unpad(there_and_back(padded)), jm.unpad(padded), 1e-14)
    low = there_and_back(tensor.to(dtype=jnp.float32))
    assert low.dtype == np.float32


def test_maps_without_blocks() -> None:
    nothing = jm.drop_blocks(cartesian(2), Labels("other", [[0]]))
    found = cartesian_to_spherical(nothing, names(2))
    assert len(found) == 0
    assert len(spherical_to_cartesian(found)) == 0


def with_keys(tensor: TensorMap, **columns: list[int]) -> TensorMap:
    table = np.array([*columns.values()]).T
    return TensorMap(Labels([*columns], table), tensor.blocks())


PAIR = cartesian_to_spherical(cartesian(2), names(2), None, None)
TRIPLE = cartesian_to_spherical(cartesian(3), names(3))
OTHER = jm.slice(jm.filter_blocks(PAIR, Labels("o3_lambda", [[0]])), "samples", [])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cartesian_to_spherical(PAIR, ["xyz"]), MissingError, "component 'xyz'"),
        (
            lambda: cartesian_to_spherical(PAIR, ["o3_mu"]),
            InvalidError,
            "'o3_lambda' already",
        ),
        (lambda: cartesian_to_spherical(cartesian(1), "xyz"), InvalidTypeError, "a list"),  # type: ignore[arg-type]
        (lambda: cartesian_to_spherical(cartesian(1), []), InvalidError, "no components"),
        (
            lambda: cartesian_to_spherical(cartesian(2), ["xyz_2", "xyz_1"]),
            InvalidError,
            "next to each other",
        ),
        (
            lambda: cartesian_to_spherical(cartesian(3), ["xyz_1", "xyz_3"]),
            InvalidError,
            "next to each other",
        ),
        (
            lambda: cartesian_to_spherical(cartesian(1, True), ["before"]),
            InvalidError,
            "found \\[0, 1\\], expected \\[0, 1, 2\\]",
        ),
        (
            lambda: cartesian_to_spherical(cartesian(3), names(3), False),
            InvalidError,
            "keep_l_in_keys is needed",
        ),
        (
            lambda: jax.jit(lambda t: cartesian_to_spherical(t, names(2)))(cartesian(2)),
            InvalidTypeError,
            "remove_blocks_threshold=None",
        ),
        (
            lambda: cartesian_to_spherical(cartesian(2), names(2), None, -1.0),
            InvalidTypeError,
            "remove_blocks_threshold",
        ),
        (
            lambda: cartesian_to_spherical(cartesian(1).to(dtype=jnp.int32), ["xyz"]),
            InvalidTypeError,
            "int32",
        ),
        (lambda: spherical_to_cartesian(cartesian(2)), MissingError, "no 'o3_lambda'"),
        (lambda: spherical_to_cartesian(PAIR, ["xyz"]), InvalidError, "rank 2, found"),
        (lambda: spherical_to_cartesian(PAIR, ["a", "a"]), InvalidError, "the same name"),
        (
            lambda: spherical_to_cartesian(jm.remove_dimension(TRIPLE, "keys", "l_3")),
            MissingError,
            "lack \\['l_3'\\]",
        ),
        (
            lambda: spherical_to_cartesian(
                jm.filter_blocks(PAIR, Labels("o3_lambda", [[0]]))
            ),
            InvalidError,
            "degree 0 alone",
        ),
        (
            lambda: spherical_to_cartesian(
                jm.update_dimension(PAIR, "keys", "o3_sigma", -PAIR.keys.column("o3_sigma"))
            ),
            InvalidError,
            "none of a proper tensor",
        ),
        (
            lambda: spherical_to_cartesian(
                TensorMap(PAIR.keys, [OTHER[0], *PAIR.blocks()[1:]])
            ),
            NotEqualError,
            "samples",
        ),
        (
            lambda: spherical_to_cartesian(
                jm.rename_dimension(PAIR, "components", "o3_mu", "mu")
            ),
            MissingError,
            "no 'o3_mu'",
        ),
    ],
)
@pytest.mark.usefixtures("wrong_types")
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
