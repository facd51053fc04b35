"""Products of maps: featomic's metadata and values, and gradients that it does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from representations.featomic_peer import (
    Peer,
    assert_close,
    crystal,
    expansion,
    featomic,
    here,
    hypers,
    molecules,
    mts,
    there,
)

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    NotEqualError,
)
from jaxmeta.representations.clebsch_gordan import ClebschGordanProduct
from jaxmeta.testing import Recipe, assert_exact_gradients, random_map


def renamed(tensor: TensorMap, number: int) -> TensorMap:
    tensor = jm.rename_dimension(tensor, "properties", "n", f"n_{number}")
    return jm.rename_dimension(tensor, "keys", "neighbor_type", f"neighbor_{number}_type")


def product(left: Any, right: Any, max_angular: int = 4, **rest: Any) -> Any:
    return ClebschGordanProduct(max_angular).compute(left, right, "l_1", "l_2", **rest)


def product_there(
    left: TensorMap, right: TensorMap, max_angular: int = 4, **rest: Any
) -> Any:
    rest = {name: there(labels) for name, labels in rest.items()}
    own, other = (there(jm.remove_gradients(one)) for one in (left, right))
    found = Peer.ClebschGordanProduct(max_angular=max_angular)
    return found.compute(own, other, "l_1", "l_2", **rest)


def halves(
    systems: Any, gradients: Any = (), max_angular: int = 1, dense: bool = True
) -> tuple[TensorMap, TensorMap]:
    """An expansion twice, under names that go together; `dense`: neighbors moved."""
    found = expansion(systems, gradients, max_angular, max_radial=0)
    left, right = renamed(found, 1), renamed(found, 2)
    if not dense:
        return left, right
    return (
        left.keys_to_properties("neighbor_1_type"),
        right.keys_to_properties("neighbor_2_type"),
    )


def harmonic(degree: int, values: Any, name: str = "n", **axes: Any) -> TensorMap:
    """A map with one block of some degree."""
    count = values.shape[0]
    keys = axes.get("keys", Labels(["o3_lambda", "o3_sigma"], [[degree, 1]]))
    samples = axes.get("samples", Labels.range("atom", count))
    mu = Labels("o3_mu", np.arange(-degree, degree + 1, dtype=np.int32)[:, None])
    properties = Labels.range(name, values.shape[2])
    return TensorMap(keys, [TensorBlock(values, samples, [mu], properties)])


def test_a_file_of_real_expansions(data_folder: Path) -> None:
    left = jm.load(data_folder / "feat_spex_ethanol5_pos.mts")
    left = jm.filter_blocks(left, Labels("neighbor_type", [[1]]))
    selection = Labels(["o3_lambda", "o3_sigma", "center_type"], [[2, 1, 8], [1, -1, 6]])
    left, right = renamed(left, 1), renamed(left, 2)
    found = product(left, right, 6, selected_keys=selection)
    right_one = product_there(left, right, 6, selected_keys=selection)
    assert_close(jm.remove_gradients(found), right_one)
    assert found[0].gradients_list() == ["positions"]


def test_all_keys_of_molecules() -> None:
    left, right = halves(molecules()[:1], max_angular=2, dense=False)
    selected = Labels("o3_lambda", [[1], [4]])
    found = product(left, right, selected_keys=selected)
    assert len(found) == 56
    assert_close(found, product_there(left, right, selected_keys=selected))


def test_unmatched_and_matched_keys() -> None:
    left, right = halves(molecules()[:1])
    right = jm.rename_dimension(right, "keys", "center_type", "other_type")
    found = product(left, right)
    names = ["o3_lambda", "o3_sigma", "center_type", "l_1", "other_type", "l_2"]
    assert found.keys.names == names
    assert_close(found, product_there(left, right))


def test_samples_are_united_and_zero_where_there_is_none() -> None:
    left, right = halves(molecules())
    left, right = (jm.filter_blocks(t, Labels("center_type", [[1]])) for t in (left, right))
    first = jm.slice(left, "samples", Labels(["system", "atom"], [[0, 1], [0, 2], [1, 0]]))
    found = product(first, right)
    assert_close(found, product_there(first, right))
    lone = jm.slice(right, "samples", Labels("system", [[1]]))
    assert_close(product(first, lone), product_there(first, lone))


def test_samples_of_atoms_beside_those_of_pairs() -> None:
    density = renamed(expansion(molecules()[:1], max_angular=1), 1)
    density = jm.rename_dimension(density, "keys", "center_type", "first_atom_type")
    density = jm.rename_dimension(density, "samples", "atom", "first_atom")
    density = jm.slice(density, "samples", Labels("first_atom", [[0], [1]]))
    density = density.keys_to_properties("neighbor_1_type")
    calculator = featomic.SphericalExpansionByPair(**hypers(1, 0))
    systems: Any = molecules()[:1]
    pairs = calculator.compute(systems)
    pairs = mts.rename_dimension(pairs, "properties", "n", "n_2")
    own = here(pairs)
    assert_close(product(density, own), product_there(density, own))
    assert_close(product(own, density), product_there(own, density))


def test_a_filter_of_keys() -> None:
    left, right = halves(molecules()[:1])

    def proper(keys: Labels) -> Any:
        return np.flatnonzero(keys.column("o3_sigma") == 1)

    found = ClebschGordanProduct(2, proper).compute(left, right, "l_1", "l_2")
    filtered = Peer.ClebschGordanProduct(
        max_angular=2, keys_filter=lambda keys: np.flatnonzero(keys.column("o3_sigma") == 1)
    )
    assert_close(found, filtered.compute(there(left), there(right), "l_1", "l_2"))
    nothing = ClebschGordanProduct(2, lambda _: []).compute(left, right, "l_1", "l_2")
    assert len(nothing) == 0


def test_gradients_are_those_of_the_product_rule() -> None:
    left, right = halves(molecules()[:1], ["positions"], dense=False)
    chosen: Any = {"selected_keys": Labels(["o3_lambda", "center_type"], [[1, 8]])}
    assert_exact_gradients(lambda a, b: product(a, b, **chosen), left, right)
    constant = jm.remove_gradients(right)
    assert_exact_gradients(lambda a: product(a, constant, **chosen), left)
    left, right = halves(crystal(), ["positions", "strain"])
    chosen = {"selected_keys": Labels(["o3_lambda", "center_type"], [[1, 11]])}
    assert_exact_gradients(lambda a, b: product(a, b, **chosen), left, right)


def test_gradients_of_united_and_repeated_rows() -> None:
    left, right = halves(molecules()[:1], ["positions"])
    some = jm.slice(left, "samples", Labels("atom", [[2], [1]]))
    chosen: Any = {"selected_keys": Labels(["o3_lambda", "l_1"], [[1, 1]])}
    assert_exact_gradients(lambda a, b: product(a, b, **chosen), some, right)
    pairs = jm.insert_dimension(some, "samples", 2, "other", 0)
    again = jm.join([pairs, jm.insert_dimension(some, "samples", 2, "other", 1)], "samples")
    other = jm.slice(right, "samples", Labels("atom", [[0], [2]]))
    assert_exact_gradients(lambda a, b: product(a, b, **chosen), again, other)
    assert_exact_gradients(lambda a, b: product(b, a, **chosen), again, other)


def random_harmonic(seed: int, name: str) -> TensorMap:
    """A random block of degree 1, with gradients of gradients that lack some rows."""
    recipe = Recipe(
        rows=(3,),
        components=(3,),
        properties=(2,),
        gradients=("positions", "strain", "positions/strain"),
        density=0.7,
        property_names=(name,),
        seed=seed,
    )
    tensor = jm.rename_dimension(random_map(recipe), "components", "component_0", "o3_mu")
    tensor = jm.update_dimension(tensor, "components", "o3_mu", np.arange(-1, 2))
    keys = Labels(["o3_lambda", "o3_sigma"], [[1, 1]])
    return TensorMap(keys, tensor.blocks())


def test_gradients_of_gradients() -> None:
    left, right = random_harmonic(1, "n"), random_harmonic(2, "k")
    samples: Any = left[0].samples
    right = TensorMap(right.keys, [with_samples(right[0], samples)])
    assert_exact_gradients(lambda a, b: product(a, b), left, right)
    some = jm.slice(left, "samples", Labels(samples.names, samples.values[[2, 0]]))
    assert_exact_gradients(lambda a, b: product(a, b), some, right)


def with_samples(block: TensorBlock, samples: Labels) -> TensorBlock:
    return TensorBlock(
        block.values, samples, block.components, block.properties, dict(block.gradients())
    )


def test_gradients_against_finite_differences() -> None:
    atoms, step = molecules()[0], 1e-4
    selected = Labels("o3_lambda", [[2]])

    def spectrum(atoms: ase.Atoms, gradients: Any = ()) -> TensorMap:
        left, right = halves(atoms, gradients, max_angular=2)
        return product(left, right, selected_keys=selected)

    found = spectrum(atoms, ["positions"])
    for atom, axis in ((0, 0), (2, 1)):
        moved = []
        for sign in (-2, -1, 1, 2):
            other = atoms.copy()
            other.positions[atom, axis] += sign * step
            moved.append(spectrum(other))
        for index, block in enumerate(found):
            gradient = block.gradient("positions")
            dense = np.zeros(block.shape)
            samples: Any = gradient.samples
            rows = samples.column("atom") == atom
            owners = samples.column("sample")[rows]
            dense[owners] = np.asarray(gradient.values)[rows, axis]
            values = [np.asarray(tensor[index].values) for tensor in moved]
            slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
            # The fourth derivative is of order 1e3 at most: 1e-13, next to rounding.
            np.testing.assert_allclose(dense, slope, atol=1e-9)


def test_compiled_and_differentiated() -> None:
    left, right = halves(molecules()[:1], ["positions"])
    chosen: Any = {"selected_keys": Labels("o3_lambda", [[1]])}
    whole = product(left, right, **chosen)
    assert_close(jax.jit(lambda a, b: product(a, b, **chosen))(left, right), whole)

    def loss(a: TensorMap) -> Any:
        found = product(a, jm.remove_gradients(right), **chosen)
        return sum(jnp.sum(block.values**2) for block in found)

    left = jm.remove_gradients(left)
    slope = jm.grad(loss)(left)
    step = 1e-6
    bumped = [
        loss(TensorMap(left.keys, [_bumped(b, sign * step) for b in left]))
        for sign in (1, -1)
    ]
    right_one = (bumped[0] - bumped[1]) / (2 * step)
    found = sum(float(jnp.sum(block.values)) for block in slope)
    assert found == pytest.approx(float(right_one), rel=1e-7)


def _bumped(block: TensorBlock, step: float) -> TensorBlock:
    return block.with_values(block.values + step)


def test_dynamic_samples_are_those_of_static_ones() -> None:
    left, right = halves(molecules(), ["positions"])
    left, right = (jm.filter_blocks(t, Labels("center_type", [[1]])) for t in (left, right))
    room = {"samples": 9, "positions": 40}
    traces = []

    @jax.jit
    def padded(a: TensorMap, b: TensorMap) -> TensorMap:
        traces.append(1)
        return product(a, b, 2)

    for systems in ([0, 1], [1]):
        some = Labels("system", [[system] for system in systems])
        first, second = (jm.slice(one, "samples", some) for one in (left, right))
        found = padded(jm.pad(first, room), jm.pad(second, room))
        assert_close(jm.unpad(found), product(first, second, 2))
    assert len(traces) == 1


def test_float32_stays() -> None:
    left, right = halves(molecules()[:1])
    low = product(left.to(dtype=jnp.float32), right.to(dtype=jnp.float32), 2)
    assert low.dtype == np.float32
    assert jm.allclose(low.to(dtype=jnp.float64), product(left, right, 2), atol=1e-6)


def test_no_blocks_and_no_rows() -> None:
    left, right = halves(molecules()[:1])
    nothing = jm.filter_blocks(left, Labels("center_type", [[99]]))
    assert len(product(nothing, right)) == 0
    no_rows = jm.slice(left, "samples", Labels("system", [[9]]))
    other = jm.slice(right, "samples", Labels("system", [[9]]))
    assert product(no_rows, other)[0].shape[0] == 0


ONES = harmonic(1, jnp.ones((2, 3, 1)))
OTHER = harmonic(1, jnp.ones((2, 3, 1)), "k")
PADDED = jm.pad(OTHER, 4)
BOTH = jm.rename_dimension(OTHER, "samples", "atom", "site")
WRONG = TensorMap(
    ONES.keys,
    [TensorBlock(jnp.ones((2, 1)), Labels.range("atom", 2), [], Labels.range("k", 1))],
)
TWICE = TensorMap(Labels(["o3_lambda", "o3_sigma"], [[1, 1], [1, -1]]), [ONES[0]] * 2)
TWICE_OTHER = TensorMap(TWICE.keys, [OTHER[0]] * 2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: product(ONES, ONES), InvalidError, "properties called 'n'"),
        (lambda: product(ONES, OTHER, 1), InvalidError, "go up to 2, max_angular is 1"),
        (
            lambda: product(ONES, OTHER, 1, selected_keys=Labels("o3_lambda", [[3]])),
            InvalidError,
            "go up to 3",
        ),
        (
            lambda: product(ONES, OTHER, selected_keys=Labels("o3_sigma", [[2]])),
            InvalidError,
            "found \\[2\\]",
        ),
        (
            lambda: product(ONES, OTHER, selected_keys=Labels("centre", [[2]])),
            MissingError,
            "'centre'",
        ),
        (lambda: product(ONES, OTHER, selected_keys=3), InvalidTypeError, "found int"),
        (lambda: product(ONES, WRONG), InvalidError, "has the components \\[\\]"),
        (lambda: product(WRONG, OTHER), InvalidError, "first map"),
        (lambda: product(ONES, BOTH), InvalidError, "samples of the blocks"),
        (lambda: product(ONES, PADDED), DynamicSamplesError, "do not go together"),
        (lambda: product(TWICE, TWICE_OTHER), InvalidError, "the same key"),
        (
            lambda: product(
                ONES, harmonic(1, jnp.ones((2, 3, 1)), "k", keys=Labels.single())
            ),
            MissingError,
            "second map have no dimension 'o3_lambda'",
        ),
        (
            lambda: product(
                ONES,
                harmonic(
                    1,
                    jnp.ones((2, 3, 1)),
                    "k",
                    keys=Labels(["o3_lambda", "o3_sigma"], [[1, 2]]),
                ),
            ),
            InvalidError,
            "o3_sigma has \\[2\\]",
        ),
        (lambda: product(ONES, OTHER.to(dtype=jnp.float32)), InvalidTypeError, "differ"),
        (lambda: product(ONES, OTHER.to(dtype=jnp.int32)), InvalidTypeError, "int32"),
        (lambda: product(ONES, OTHER[0]), InvalidTypeError, "TensorBlock"),
        (lambda: ClebschGordanProduct(-1), InvalidError, "not negative"),
        (lambda: ClebschGordanProduct(1.5), InvalidTypeError, "is an integer"),  # type: ignore[arg-type]
        (lambda: ClebschGordanProduct(1, 5), InvalidTypeError, "is a function"),  # type: ignore[arg-type]
        (
            lambda: ClebschGordanProduct(2).compute(ONES, OTHER, "l", "l"),
            InvalidError,
            "'l' twice",
        ),
        (
            lambda: ClebschGordanProduct(2).compute(ONES, OTHER, "l", 3),  # type: ignore[arg-type]
            InvalidTypeError,
            "o3_lambda_2_new_name is a string",
        ),
        (
            lambda: ClebschGordanProduct(2, lambda _: [7]).compute(ONES, OTHER, "a", "b"),
            InvalidTypeError,
            "positions of keys",
        ),
        (
            lambda: ClebschGordanProduct(2, lambda _: [0, 0]).compute(
                ONES, OTHER, "a", "b"
            ),
            InvalidError,
            "twice",
        ),
    ],
)
@pytest.mark.usefixtures("wrong_types")
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_gradients_of_other_components_are_refused() -> None:
    left, right = halves(molecules()[:1], ["positions"])
    other = jm.rename_dimension(right, "components", "xyz", "direction")
    with pytest.raises(NotEqualError, match="components of gradient"):
        product(left, other)
