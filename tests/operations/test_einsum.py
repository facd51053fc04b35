"""einsum by the names of labels: numbers, labels, gradients, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from operations.examples import Recipe, random_map, share
from operations.jacobian import assert_exact

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    NestedGradientsError,
    NotEqualError,
)


# Labels of every axis: some have two names, one is empty.
AXES: dict[str, Labels] = {
    "(system atom)": Labels(["system", "atom"], [[0, 3], [0, -1], [2, 3]]),
    "m": Labels("m", [[-1], [0]]),
    "n": Labels("n", [[4], [2], [7]]),
    "k": Labels("k", [[1], [0]]),
    "(l q)": Labels(["l", "q"], [[0, 0], [1, 5]]),
    "empty": Labels.empty("empty"),
}
BOTH = ("positions", "strain", "positions/strain")


def filled(axes: list[str], seed: int = 0, keys: Labels | None = None) -> TensorMap:
    """A map with these axes: samples, components, properties."""
    rng = np.random.default_rng(seed)
    samples, *components, properties = [AXES[axis] for axis in axes]
    shape = [len(AXES[axis]) for axis in axes]
    keys = Labels.range("key", 2) if keys is None else keys
    blocks = [
        TensorBlock(jnp.asarray(rng.normal(size=shape)), samples, components, properties)
        for _ in range(len(keys))
    ]
    return TensorMap(keys, blocks)


def atoms(gradients: tuple[str, ...] = (), seed: int = 0, rows: int = 3) -> TensorMap:
    """A map with the axes (system atom), m, n, and gradients."""
    recipe = Recipe((rows,), (2,), 2, gradients, seed=seed, property_names=("n",))
    tensor = random_map(dataclasses.replace(recipe, component_names=("m",)))
    return TensorMap(Labels.single(), [with_labels(tensor[0], atoms_labels(rows))])


def atoms_labels(rows: int) -> Labels:
    return Labels(["system", "atom"], [[i % 2, 7 - i] for i in range(rows)])


def with_labels(block: TensorBlock, samples: Labels) -> TensorBlock:
    """The same block with labels that do not depend on the seed."""

    def below(block: TensorBlock, samples: Any) -> TensorBlock:
        own = block.components[:-1]
        gradients = {name: below(g, g.samples) for name, g in block.gradients()}
        axes = [*own, Labels.range("m", 2)], Labels.range("n", 2)
        return TensorBlock(block.values, samples, *axes, gradients)

    return below(block, samples)


def constant(*axes: tuple[str, int]) -> TensorMap:
    """A map without gradients, with axes of one name and these sizes."""
    samples, *components, properties = [Labels.range(*axis) for axis in axes]
    values = np.random.default_rng(5).normal(size=[size for _, size in axes])
    return TensorMap(
        Labels.single(), [TensorBlock(jnp.asarray(values), samples, components, properties)]
    )


# Values and labels ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subscripts", "letters"),
    [
        ("(system atom) m n, k n -> (system atom) m k", "smn,kn->smk"),
        ("(system atom) m n -> n (system atom)", "smn->ns"),
        ("(system atom) m n -> (system atom) n", "smn->sn"),
        ("n k, k n -> k n", "nk,kn->kn"),
        ("n m, k n, (l q) k -> (l q) m", "nm,kn,qk->qm"),
        ("(system atom) m n, k (l q) -> (system atom) m k n (l q)", "smn,kq->smknq"),
        ("k n -> n k", "kn->nk"),
        ("k n -> k n", "kn->kn"),
        ("empty n, empty m -> n m", "en,em->nm"),
        ("empty n, n m -> empty m", "en,nm->em"),
    ],
)
def test_as_jax(subscripts: str, letters: str) -> None:
    left, right = subscripts.split("->")
    operands = [filled(split(text), i) for i, text in enumerate(left.split(","))]
    result = jm.einsum(subscripts, *operands)
    assert result.keys == operands[0].keys
    for i, block in enumerate(result):
        expected = jnp.einsum(letters, *[tensor[i].values for tensor in operands])
        np.testing.assert_allclose(block.values, expected, rtol=1e-12, atol=1e-12)
        labels = [block.samples, *block.components, block.properties]
        assert labels == [AXES[axis] for axis in split(right)]


def split(text: str) -> list[str]:
    """The axes of an operand as `AXES` calls them."""
    inside = text.replace("(system atom)", "s").replace("(l q)", "q").split()
    return [{"s": "(system atom)", "q": "(l q)"}.get(axis, axis) for axis in inside]


def test_white_space_and_parentheses_are_free() -> None:
    A, B = filled(["n", "m"]), filled(["k", "n"], 1)
    found = jm.einsum("  (n )   m,k n->( m)\tk ", A, B)
    assert found == jm.einsum("n m, k n -> m k", A, B)


ONES = ["m", "n", "k", "(l q)", "(system atom)"]


@st.composite
def contractions(draw: st.DrawFn) -> tuple[list[list[str]], list[str]]:
    operands = draw(
        st.lists(st.permutations(ONES).map(lambda p: p[:2]), min_size=1, max_size=3)
    )
    known = sorted({axis for axes in operands for axis in axes})
    result = draw(st.permutations(known))
    return operands, result[: draw(st.integers(2, len(known)))]


@share(2)
@given(contractions())
def test_any_axes(case: tuple[list[list[str]], list[str]]) -> None:
    operands, result = case
    if any(axis.startswith("(") for axis in result[1:-1]):
        result = [result[0], result[-1]]
    letters = dict(zip(ONES, "abcde", strict=True))
    text = ", ".join(map(" ".join, operands))
    tensors = [filled(axes, i) for i, axes in enumerate(operands)]
    found = jm.einsum(f"{text} -> {' '.join(result)}", *tensors)
    spec = ",".join("".join(letters[a] for a in axes) for axes in operands)
    spec += "->" + "".join(letters[axis] for axis in result)
    for i, block in enumerate(found):
        expected = np.einsum(spec, *[np.asarray(t[i].values) for t in tensors])
        np.testing.assert_allclose(block.values, expected, rtol=1e-11, atol=1e-11)


def test_new_axes_have_one_entry() -> None:
    A = filled(["(system atom)", "m", "n"])
    for i, block in enumerate(jm.einsum("(system atom) m n -> _ _", A)):
        assert block.values.shape == (1, 1)
        assert block.samples is block.properties is Labels.single()
        np.testing.assert_allclose(block.values[0, 0], A[i].values.sum(), rtol=1e-12)
    norms = jm.einsum("(system atom) m n, (system atom) m n -> (system atom) m _", A, A)
    np.testing.assert_allclose(
        norms[0].values[..., 0], (A[0].values ** 2).sum(axis=-1), rtol=1e-12
    )
    inner = jm.einsum("_ n, _ n -> _ n", *[jm.einsum("m n -> _ n", filled(["m", "n"]))] * 2)
    assert inner[0].shape == (1, 3)


def test_info_and_keys() -> None:
    A = filled(["k", "n"], keys=Labels("key", [[3], [1]]))
    B = filled(["m", "n"], 1, keys=Labels("key", [[1], [3]]))
    result = jm.einsum("k n, m n -> k m", A, B)
    assert result.keys is A.keys
    np.testing.assert_allclose(
        result[0].values, A[0].values @ B[1].values.T, rtol=1e-12, atol=1e-12
    )
    C = filled(["m", "n"], 1, keys=Labels("key", [[1], [4]]))
    with pytest.raises(NotEqualError, match="einsum: the keys differ"):
        jm.einsum("k n, m n -> k m", A, C)
    common = jm.einsum("k n, m n -> k m", A, C, different_keys="intersection")
    assert common.keys["key"].tolist() == [1]
    np.testing.assert_allclose(common[0].values, result[1].values, rtol=1e-12)
    assert jm.einsum("k n, m n -> k m", A, B, different_keys="union") == result
    with pytest.raises(InvalidError, match=r"no block \(key=3\) in operand 2"):
        jm.einsum("k n, m n -> k m", A, C, different_keys="union")


def test_maps_without_blocks() -> None:
    nothing = TensorMap(Labels.empty("key"), [])
    assert len(jm.einsum("k n, m n -> k m", nothing, nothing)) == 0


# Gradients ------------------------------------------------------------------------------

ALL = "(system atom) m n"
EXACT = {
    "one operand": f"{ALL} -> (system atom) n",
    "one operand, other order": f"{ALL} -> (system atom) n m",
    "two operands": f"{ALL}, {ALL} -> (system atom) m n",
    "a norm": f"{ALL}, {ALL} -> (system atom) m _",
    "a constant": f"{ALL}, k n -> (system atom) m k",
    "a constant for each sample": f"{ALL}, (system atom) k -> (system atom) m n k",
    "everything": f"{ALL}, k n, {ALL}, (system atom) k -> (system atom) m k",
}


def operands_of(subscripts: str, gradients: tuple[str, ...]) -> list[TensorMap]:
    """Gradients for the operands with all axes; each has gradient rows of its own."""
    rest = subscripts.split("->")[0].replace(ALL, "A").replace("(system atom)", "s")
    found = []
    for number, text in enumerate(rest.split(",")):
        if text.strip() == "A":
            found.append(atoms(gradients, number))
        else:
            axes = [(axis, 3 if axis == "s" else 2) for axis in text.split()]
            found.append(constant(*axes))
            if axes[0][0] == "s":
                block = found[-1][0]
                samples = atoms_labels(3)
                other = TensorBlock(block.values, samples, [], block.properties)
                found[-1] = TensorMap(Labels.single(), [other])
    return found


@pytest.mark.parametrize("subscripts", EXACT.values(), ids=EXACT)
def test_gradients_are_exact(subscripts: str) -> None:
    operands = operands_of(subscripts, BOTH)
    result = assert_exact(lambda *t: jm.einsum(subscripts, *t), *operands)
    assert result[0].gradient("positions").gradients_list() == ["strain"]
    assert len(result[0].gradient("positions").gradient("strain")) > 0


def test_gradients_of_one_operand_may_be_of_any_depth() -> None:
    deep = (*BOTH, "positions/strain/cell")
    A = atoms(deep)
    assert_exact(lambda a: jm.einsum(f"{ALL}, k n -> (system atom) k", a, W), A)
    with pytest.raises(NestedGradientsError, match="at this depth"):
        jm.einsum(f"{ALL}, {ALL} -> (system atom) n", A, A)


W = constant(("k", 4), ("n", 2))


def test_as_dot() -> None:
    A = atoms(BOTH)
    found = jm.einsum(f"{ALL}, k n -> (system atom) m k", A, W)
    jm.allclose_raise(found, jm.dot(A, W), rtol=1e-13, atol=1e-13)


def test_as_multiply() -> None:
    A, B = atoms(("positions",), 1), atoms(("positions",), 2)
    found = jm.einsum(f"{ALL}, {ALL} -> {ALL}", A, B)
    jm.allclose_raise(found, A * B, rtol=1e-13, atol=1e-13)


def test_no_samples() -> None:
    A = atoms(BOTH, rows=0)
    result = jm.einsum(f"{ALL}, {ALL} -> (system atom) m", A, A)[0]
    assert result.shape == (0, 2)
    assert result.gradient("positions").shape == (0, 2, 2)


def test_under_transformations() -> None:
    A, B = atoms(("positions",), 1), atoms(("positions",), 2)

    def product(a: TensorMap, b: TensorMap) -> TensorMap:
        return jm.einsum(f"{ALL}, {ALL}, k n -> (system atom) k", a, b, W)

    expected = product(A, B)
    jm.allclose_raise(jax.jit(product)(A, B), expected, rtol=1e-13, atol=1e-13)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), (A, B), (2.0 * A, B))
    both = jax.jit(jax.vmap(product))(*stacked)
    second = jax.tree.map(lambda x: x[1], both)
    jm.allclose_raise(second, 2.0 * expected, rtol=1e-13, atol=1e-13)
    # The values' derivative along the gradient rows of A and B is what the rows say.
    slope = jax.grad(lambda a: product(a, B)[0].values.sum())(jm.remove_gradients(A))
    assert jax.tree.structure(slope) == jax.tree.structure(jm.remove_gradients(A))


def test_the_program_is_that_of_jax() -> None:
    A = filled(["(system atom)", "m", "n"])
    B = filled(["k", "n"], 1)

    def by_hand(a: TensorMap, b: TensorMap) -> list[Any]:
        return [
            jnp.einsum("smn,kn->smk", x.values, y.values) for x, y in zip(a, b, strict=True)
        ]

    ours = jax.make_jaxpr(
        lambda a, b: [
            block.values for block in jm.einsum(f"{ALL}, k n -> {ALL[:-1]}k", a, b)
        ]
    )
    assert str(ours(A, B)) == str(jax.make_jaxpr(by_hand)(A, B))


# What is refused: the subscripts --------------------------------------------------------

MALFORMED = {
    "no arrow": ("s n, k n", 'one "->", found 0'),
    "two arrows": ("s n -> n s -> s n", 'one "->", found 2'),
    "half an arrow": ("s n > n s", 'one "->", found 0'),
    "nothing": ("", 'one "->", found 0'),
    "no operand": ("-> s n", "operand 1 has 0 axes"),
    "an operand of nothing": ("s n, -> s n", "operand 2 has 0 axes"),
    "one axis": ("s n, n -> s n", "operand 2 has 1 axes"),
    "no result": ("s n ->", "the result has 0 axes"),
    "result of one axis": ("s n -> s", "(?s)the result has 1 axes.*axis of one entry"),
    "open": ("(s t n -> n s", 'operand 1 has a "\\(" that is not closed'),
    "closed": ("s t) n -> n s", 'operand 1 has a "\\)" that was not opened'),
    "within": ("(s (t) n -> n s", 'operand 1 has a "\\(" inside another one'),
    "empty": ("() n -> n s", "operand 1 has parentheses without a name"),
    "open in the result": ("s n -> (s n", 'the result has a "\\(" that is not closed'),
    "dots": ("... n -> n", r"'\.\.\.', which is no name"),
    "a digit first": ("1s n -> n 1s", "'1s', which is no name"),
    "a minus": ("s-t n -> n s", "'s-t', which is no name"),
    "not ASCII": ("s ñ -> ñ s", "'ñ', which is no name"),
    "a comma in the result": ("s n -> s, n", "'s,', which is no name"),
    "comma in parentheses": ("(s, t) n -> n s", 'operand 1 has a "\\(" that is not closed'),
    "a name twice": ("(s s) n -> n n", r"axis \(s s\) with one name twice"),
    "a trace": ("s n n -> s n", "operand 1 has the axis n twice"),
    "a diagonal": ("s n -> s n n", "the result has the axis n twice"),
    "an axis of none": ("s n -> s m", "(?s)the axis m, which no operand has.*'n', 's'"),
    "a part of an axis": ("(s t) n -> s n", r"(?s)axis s, which.*'\(s t\)', 'n'"),
    "components": ("s (l m) n -> s (l m) n", r"components \(l m\)"),
    "new components": ("s n -> s _ _ n", "(?s)components _ _.*name of its own"),
}


@pytest.mark.parametrize(("subscripts", "says"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_subscripts(subscripts: str, says: str) -> None:
    with pytest.raises(InvalidError, match=says) as raised:
        jm.einsum(subscripts, W, W)
    what, *_, remedy = str(raised.value).splitlines()
    assert what == f"einsum: {subscripts!r} can not be read."
    assert remedy == '  write for instance "(system atom) m n, k n -> (system atom) m k".'


@pytest.mark.usefixtures("wrong_types")
def test_operands_that_do_not_fit() -> None:
    with pytest.raises(InvalidTypeError, match=r"(?s)a string.*found TensorMap"):
        jm.einsum(W)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="2 operands, 1 maps were given"):
        jm.einsum("k n, k n -> k n", W)
    with pytest.raises(InvalidTypeError, match=r"(?s)must be a TensorMap.*TensorBlock"):
        jm.einsum("k n -> n k", W[0])  # type: ignore[arg-type]
    with pytest.raises(
        InvalidTypeError, match="operand 1 has float64, operand 2 has float"
    ):
        jm.einsum("k n, k n -> k n", W, W.to(dtype=np.float32))
    with pytest.raises(InvalidTypeError, match="the values are bools, whose sum"):
        jm.einsum("k n -> n k", W.to(dtype=np.bool_))
    with pytest.raises(InvalidError, match="no different_keys 'all'"):
        jm.einsum("k n -> n k", W, different_keys="all")  # type: ignore[arg-type]


# What is refused: labels and gradients --------------------------------------------------


def test_other_axes_than_those_of_the_block() -> None:
    A = atoms()
    with pytest.raises(InvalidError) as raised:
        jm.einsum("k n, (atom system) m n -> (atom system) m k", W, A)
    assert str(raised.value) == (
        "einsum: the axes of operand 2 are not those of the block (_=0).\n"
        "  'k n, (atom system) m n -> (atom system) m k' says (atom system) m n\n"
        "  the block has (system atom) m n\n"
        "  the order is samples, components, properties; rename_dimension() gives an axis "
        "another name."
    )


def test_axes_with_one_name_and_different_labels() -> None:
    other = constant(("k", 4), ("n", 3))
    with pytest.raises(NotEqualError) as raised:
        jm.einsum("k n, k n -> k n", W, other)
    assert str(raised.value).startswith(
        "einsum: the labels n of operands 1 and 2 of block (_=0) differ.\n"
        "  left has 2 entries, right has 3; first difference at row 2: no entry vs (n=2)"
    )
    # Also of an axis that is summed over, and between the second and the third operand.
    with pytest.raises(NotEqualError, match="labels n of operands 2 and 3"):
        jm.einsum("k m, k n, k n -> k m", constant(("k", 4), ("m", 2)), W, other)


def test_gradients_of_an_operand_with_other_samples() -> None:
    A = atoms(("positions",))
    with pytest.raises(InvalidError) as raised:
        jm.einsum(f"k n, {ALL} -> k (system atom)", W, A)
    assert str(raised.value) == (
        "einsum: gradients of operand 2 can not go along in the block (_=0).\n"
        "  it has the gradients ['positions']; its samples are (system atom), those of the "
        "result are k\n"
        "  dot() carries gradients of both sides of A B^T; remove_gradients() drops them."
    )
    with pytest.raises(InvalidError, match=r"those of the result are _"):
        jm.einsum(f"{ALL} -> _ n", A)


def test_the_samples_of_the_result_elsewhere() -> None:
    A, B = atoms(("positions",)), jm.einsum(f"{ALL} -> n (system atom)", atoms())
    subscripts = f"{ALL}, n (system atom) -> (system atom) m"
    with pytest.raises(InvalidError, match=r"(?s)operand 2 has.*front first") as raised:
        jm.einsum(subscripts, A, B)
    assert "gradients of operand 1" in str(raised.value)
    turned = jm.einsum("n (system atom) -> (system atom) n", B)
    result = assert_exact(
        lambda a: jm.einsum(f"{ALL}, (system atom) n -> (system atom) m", a, turned), A
    )
    plain = jm.einsum(subscripts, jm.remove_gradients(A), B)
    jm.allclose_raise(jm.remove_gradients(result), plain, rtol=1e-13, atol=1e-13)


def test_a_component_with_the_name_of_one_of_a_gradient() -> None:
    B = constant(("xyz", 2), ("n", 2))
    with pytest.raises(InvalidError, match="two components 'xyz'"):
        jm.einsum(f"{ALL}, xyz n -> (system atom) xyz n", atoms(("positions",)), B)


def test_components_without_entries() -> None:
    A = filled(["empty", "n"])
    with pytest.raises(InvalidError, match=r"'empty' of the result.*block \(key=0\)"):
        jm.einsum("empty n, n k -> k empty n", A, filled(["n", "k"]))


def test_dynamic_samples() -> None:
    samples = DynamicLabels("k", W[0].samples.values)
    block = TensorBlock(W[0].values, samples, [], W[0].properties)
    with pytest.raises(DynamicSamplesError, match="einsum"):
        jm.einsum("k n -> k n", TensorMap(W.keys, [block]))


def test_integers() -> None:
    A, B = (atoms(("positions",), seed).to(dtype=np.int64) for seed in (1, 2))
    assert jm.einsum(f"{ALL} -> (system atom) n", A).dtype == np.int64
    with pytest.raises(InvalidTypeError, match="values are int64"):
        jm.einsum(f"{ALL}, {ALL} -> (system atom) n", A, B)


def test_arrays_that_lost_their_labels() -> None:
    """Also where the result has the labels of the first operand: rows are summed."""
    A, B = constant(("k", 4), ("n", 2)), constant(("m", 4), ("n", 2))
    shares = [jax.tree.map(lambda x: x[:2], each) for each in (A, B)]
    product = jax.jit(lambda a, b: jm.einsum("k n, m n -> k n", a, b))
    assert product(A, B)[0].shape == (4, 2)
    with pytest.raises(InvalidError, match="does not fit its labels"):
        product(*shares)


def test_axes_beyond_the_alphabet() -> None:
    """Nothing depends on letters: sixty axes, each in two operands."""
    names = [f"axis_{i}" for i in range(60)]
    tensors = [
        constant(("s", 2), (a, 1), (b, 1))
        for a, b in itertools.pairwise([*names, names[0]])
    ]
    text = ", ".join(f"s {a} {b}" for a, b in itertools.pairwise([*names, names[0]]))
    found = jm.einsum(f"{text} -> s axis_0", *tensors)
    expected = np.prod([t[0].values[:, 0, 0] for t in tensors], axis=0)
    np.testing.assert_allclose(found[0].values[:, 0], expected, rtol=1e-12)
