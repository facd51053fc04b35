"""Every error of Parameter, with_gradients and assert_owners, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autodiff.functions import AXES, OWNERS, ROWS, arrays, function, parameters, scaled

import jaxmeta as jm
from jaxmeta import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.autodiff import Parameter, assert_owners, with_gradients
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    PrecisionError,
)


AT = arrays()
XYZ = Labels.range("xyz", 3)
ATOMS = Labels.range("atom", 5)
TWO = Labels.range("s", 2)


# Parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((jnp.ones((5, 3)), ATOMS), r"shape \(5, 3\)\n.*rows 5\n"),
        ((jnp.ones((4, 3)), ATOMS, [XYZ]), r"shape \(4, 3\)\n.*rows 5, xyz 3"),
        ((jnp.ones((5, 2)), ATOMS, [XYZ]), r"shape \(5, 2\)\n.*rows 5, xyz 3"),
        ((jnp.ones((5, 2)), None, [XYZ]), r"shape \(5, 2\)\n.*rows 5, xyz 3"),
        ((jnp.ones(()),), r"shape \(\)\n.*rows 1\n.*\(rows, \*components\)"),
        (
            (jnp.ones(4), DynamicLabels.from_labels(ATOMS, 6)),
            r"shape \(4,\)\n.*rows 6",
        ),
        ((jnp.ones(1), Labels(["sample"], [[0]])), r"dimension 'sample'.*\n.*\['sample'\]"),
        (
            (jnp.ones((5, 2)), ATOMS, [Labels(["a", "b"], [[0, 0], [1, 1]])]),
            r"component 0 needs one name.*\n.*\['a', 'b'\] with 2 entries",
        ),
        (
            (jnp.ones((5, 3, 3)), ATOMS, [XYZ, XYZ]),
            r"component 1 needs one name.*\n.*after the components \['xyz'\]",
        ),
        (
            (jnp.ones((5, 0)), ATOMS, [Labels.empty("xyz")]),
            "component 0 needs one name",
        ),
    ],
)
def test_parameters_that_do_not_fit(arguments: Any, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        Parameter(*arguments)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.0], r"must be an array of JAX or numpy.*\n.*found list"),
        (np.arange(2), r"real floating point numbers.*\n.*found int64"),
        (jnp.ones(2, complex), r"real floating point numbers.*\n.*found complex128"),
    ],
)
def test_parameters_that_are_no_arrays_of_floats(values: Any, words: str) -> None:
    with pytest.raises(InvalidTypeError, match=words):
        Parameter(values)


@pytest.mark.usefixtures("wrong_types")
def test_parameters_with_other_labels() -> None:
    array: Any = jnp.ones((5, 3))
    with pytest.raises(
        InvalidTypeError, match=r"must be Labels or DynamicLabels.*\n.*list"
    ):
        Parameter(array, [0, 1])  # type: ignore[arg-type]
    for components in (XYZ, 3):
        with pytest.raises(InvalidTypeError, match="components must be a list of Labels"):
            Parameter(array, ATOMS, components)  # type: ignore[arg-type]
    with pytest.raises(
        InvalidTypeError, match=r"component 0 must be Labels.*\n.*found str"
    ):
        Parameter(array, ATOMS, ["xyz"])  # type: ignore[list-item]


# Choices --------------------------------------------------------------------------------


@pytest.mark.usefixtures("wrong_types")
def test_choices_that_are_none() -> None:
    given = parameters(AT)
    with pytest.raises(InvalidError, match="no mode 'jvp'"):
        with_gradients(function, given, mode="jvp")  # type: ignore[arg-type]
    for chunk in (0, -1, True, 1.5, "x"):
        with pytest.raises(InvalidError, match="chunk must be a positive integer"):
            with_gradients(function, given, chunk=chunk)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="has_aux is True or False"):
        with_gradients(function, given, has_aux=1)  # type: ignore[arg-type]
    for second in ("x/x", 3):
        with pytest.raises(InvalidTypeError, match="must be a list of pairs of names"):
            with_gradients(function, given, second=second)  # type: ignore[arg-type]
    for path in ("x", "x/x/x", 3):
        with pytest.raises(InvalidError, match="pairs of names with a slash"):
            with_gradients(function, given, second=[path])  # type: ignore[list-item]
    with pytest.raises(MissingError, match=r"'x/z' names no parameter 'z'.*\n.*'x', 's'"):
        with_gradients(function, given, second=["x/z"])


@pytest.mark.usefixtures("wrong_types")
def test_parameters_that_are_none() -> None:
    for wrong in ({}, [], None, Parameter(jnp.ones(2))):
        with pytest.raises(InvalidTypeError, match="must be a dictionary"):
            with_gradients(function, wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"'x' must be a Parameter.*\n.*Array"):
        with_gradients(function, {"x": AT["x"]})  # type: ignore[dict-item]
    with pytest.raises(InvalidError, match="'a/b' is not a valid name of a gradient"):
        with_gradients(function, {"a/b": Parameter(AT["x"], ATOMS, [XYZ])})
    with pytest.raises(InvalidTypeError, match="must be a function"):
        with_gradients(3, parameters(AT))  # type: ignore[arg-type]


def test_names_that_the_function_does_not_take() -> None:
    given = parameters(AT)
    with pytest.raises(InvalidTypeError, match=r"with x=...: missing .* 's'(.*\n)*.*\(x:"):
        with_gradients(function, {"x": given["x"]})
    with pytest.raises(InvalidTypeError, match=r"unexpected keyword argument 'y'"):
        with_gradients(function, {**given, "y": given["x"]})
    with pytest.raises(
        InvalidTypeError, match=r"1 positional arguments and x=\.\.\., s=\.\.\.: m"
    ):
        with_gradients(function, given, 3.0)
    with pytest.raises(InvalidTypeError, match="missing a required argument: 'power'"):
        with_gradients(scaled, given)


def test_no_precision_is_lost_in_parameters() -> None:
    given = Parameter(np.ones(2), Labels.range("atom", 2), owner=[0, 1])
    with jax.enable_x64(False), pytest.raises(PrecisionError, match="parameter 'x'"):
        with_gradients(lambda x: x, {"x": given})


# Results --------------------------------------------------------------------------------


def _block(values: Any = None, **axes: Any) -> TensorBlock:
    values = jnp.ones((2, 1)) if values is None else values
    found: dict[str, Any] = {
        "samples": Labels.range("s", 2), "components": [], "properties": Labels.single()
    }  # fmt: skip
    return TensorBlock(values, **{**found, **axes})


def _with_gradient() -> TensorMap:
    rows = TensorBlock(jnp.ones((1, 1)), Labels("sample", [[0]]), [], Labels.single())
    return TensorMap(Labels("k", [[3]]), [_block().with_gradient("y", rows)])


@pytest.mark.parametrize(
    ("result", "has_aux", "words"),
    [
        (lambda x: x, False, r"must give a TensorMap.*\n.*it gives \w*Tracer"),
        (lambda x: _block(), False, r"must give a TensorMap.*\n.*it gives TensorBlock"),
        (
            lambda x: (TensorMap(Labels.single(), [_block()]), 1),
            False,
            r"must give a TensorMap.*\n.*a tuple of TensorMap, int",
        ),
        (
            lambda x: TensorMap(Labels.single(), [_block()]),
            True,
            r"must give a pair of a TensorMap and anything.*\n.*it gives TensorMap",
        ),
        (
            lambda x: TensorMap(Labels("k", [[3]]), [_block(jnp.ones((2, 1), np.float32))]),
            False,
            r"must have one dtype.*\n.*\(k=3\) has float32, parameter 'x' has float64",
        ),
        (
            lambda x: TensorMap(Labels("k", [[3]]), [_block(jnp.ones((2, 1), np.int32))]),
            False,
            r"must have one dtype.*\n.*\(k=3\) has int32",
        ),
    ],
)
def test_functions_that_give_other_things(
    result: Callable[..., Any], has_aux: bool, words: str
) -> None:
    given = Parameter(jnp.ones((5, 3)), ATOMS, [XYZ], owner=[0] * 5)
    with pytest.raises(InvalidTypeError, match=words):
        with_gradients(result, {"x": given}, has_aux=has_aux)


def test_functions_that_give_gradients() -> None:
    given = Parameter(jnp.ones((5, 3)), ATOMS, [XYZ], owner=[0] * 5)
    words = r"explicit gradients of its own.*\n.*\(k=3\) has \['y'\]\n.*remove_gradients"
    with pytest.raises(InvalidError, match=words):
        with_gradients(lambda x: _with_gradient(), {"x": given})


def test_components_of_one_name() -> None:
    given = Parameter(jnp.ones((5, 3)), ATOMS, [Labels.range("c", 3)], owner=[0] * 5)

    def of(x: Any) -> TensorMap:
        block = _block(jnp.ones((2, 2, 1)), components=[Labels.range("c", 2)])
        return TensorMap(Labels.single(), [block])

    words = r"'x' and the values have a component of one name.*\n.*\['c'\].*\['c'\]"
    with pytest.raises(InvalidError, match=words):
        with_gradients(of, {"x": given})


# Owners ---------------------------------------------------------------------------------


def _owned(owner: Any, samples: Any = ATOMS, above: Any = TWO, **options: Any) -> TensorMap:
    def of(x: Any) -> TensorMap:
        block = _block(jnp.ones((2, 1)) * jnp.sum(x), samples=above)
        return TensorMap(Labels("k", [[3]]), [block])

    given = Parameter(jnp.ones((5, 3)), samples, [XYZ], owner)
    return with_gradients(of, {"x": given}, **options)


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ([0, 1, 0, 1], r"'x', block \(k=3\)\.\n.*shape \(4,\), .* 5 rows"),
        ([], r"found shape \(0,\), .* 5 rows"),
        (np.zeros((5, 1), int), r"found shape \(5, 1\)"),
        (jnp.zeros(4, int), r"found shape \(4,\)"),
        ([0, 1, 2, 1, 0], r"row 2 has owner 2, there are 2 samples"),
        (np.array([0, 1, 1, -1, 0], np.int8), r"row 3 has owner -1, there are 2 samples"),
        ([np.zeros(5, int)] * 2, r"there are 2 owners and 1 blocks"),
        ([[0] * 5, [0] * 5], r"there are 2 owners and 1 blocks"),
        ([[0] * 4], r"found shape \(4,\)"),
        (lambda block: [0] * len(block), r"found shape \(2,\)"),
        (lambda block: [[0], [0, 1]], r"rows have different lengths"),
    ],
)
def test_owners_that_do_not_fit(owner: Any, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        _owned(owner)


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (np.zeros(5), "must be integers.*\n.*found float64"),
        (jnp.zeros(5), "must be integers.*\n.*found float64"),
        (np.zeros(5, bool), "must be integers.*\n.*found bool"),
        ([None], "must be integers.*\n.*found object"),
        (lambda block: None, "must be integers.*\n.*found object"),
    ],
)
def test_owners_that_are_no_integers(owner: Any, words: str) -> None:
    with pytest.raises(InvalidTypeError, match=words):
        _owned(owner)


def test_rows_that_nothing_tells_apart() -> None:
    words = r"rows without labels .*'x', block \(k=3\)\.\n.*sample 0 has 3 of them"
    with pytest.raises(InvalidError, match=words):
        _owned([0, 1, 0, 1, 0], samples=None)
    with pytest.raises(InvalidError, match="sample 0 has 5 of them"):
        _owned(None, samples=None)
    padded = DynamicLabels("s", jnp.array([[0], [jm.PADDING]], jnp.int32))
    with pytest.raises(InvalidError, match="sample 0 has 5 of them"):
        _owned(None, samples=None, above=padded)
    only = _owned([1, 0, jm.PADDING, jm.PADDING, jm.PADDING], samples=None)
    assert only[0].gradient("x").samples == Labels("sample", [[1], [0]])


def test_owners_by_labels_that_are_not_there() -> None:
    with pytest.raises(MissingError, match=r"samples of block \(k=3\) have no dimension"):
        _owned("atom")
    systems = Labels(["s", "atom"], [[i % 2, i] for i in range(5)])
    assert len(_owned("s", samples=systems)[0].gradient("x")) == 5
    with pytest.raises(
        MissingError, match="samples of parameter 'x' have no dimension 's'"
    ):
        _owned(["s"])
    with pytest.raises(
        MissingError, match="samples of parameter 'x' have no dimension 's'"
    ):
        _owned("s", samples=None)
    with pytest.raises(InvalidError, match="the owner has no name"):
        _owned("")


def test_owners_by_labels_that_several_samples_have() -> None:
    pairs = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])

    def of(x: Any) -> TensorMap:
        block = _block(jnp.ones((3, 1)) * jnp.sum(x), samples=pairs)
        return TensorMap(Labels("k", [[3]]), [block])

    given = {"x": Parameter(jnp.ones(3), pairs, owner="system")}
    words = (
        r"\['system'\] do not tell the samples apart.*\(k=3\).*\n.*2 samples have system=0"
    )
    with pytest.raises(InvalidError, match=words):
        with_gradients(of, given)


def test_passes_forwards_need_static_owners() -> None:
    with pytest.raises(DynamicSamplesError, match=r"those of 'x' are traced"):
        _owned(jnp.zeros(5, int), mode="forward")


@pytest.mark.usefixtures("wrong_types")
def test_the_check_of_owners_with_other_things() -> None:
    for atol in (-1.0, float("nan"), "x", True, np.float32(-1.0), np.bool_(True)):
        with pytest.raises(InvalidTypeError, match="atol must be a number"):
            assert_owners(function, parameters(AT), atol=atol)  # type: ignore[arg-type]
    for number in (1, np.float32(0.5), np.int64(1)):
        assert_owners(function, parameters(AT), atol=number)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="must be a dictionary"):
        assert_owners(function, [])  # type: ignore[arg-type]


def test_the_check_of_owners_is_for_outside() -> None:
    owner = OWNERS["x"][0]

    def check(x: Any, owner: Any = owner) -> None:
        given = Parameter(x, ROWS["x"], AXES["x"], owner)
        assert_owners(lambda x: function(x, AT["s"]), {"x": given})

    with pytest.raises(InvalidTypeError, match=r"outside of traced functions.*\n.*'x'"):
        jax.jit(check)(AT["x"])
    with pytest.raises(InvalidTypeError, match="outside of traced functions"):
        jax.jit(lambda owner: check(AT["x"], owner))(jnp.asarray(owner))


def test_what_else_is_traced_where_owners_are_checked() -> None:
    """What the function takes or makes, labels that owners come from, lists of owners."""
    given = parameters(AT)
    with pytest.raises(InvalidTypeError, match=r"outside of traced functions.*\n.*'x'"):
        jax.jit(lambda m: assert_owners(scaled, given, m))(2.0)

    def check(atoms: Any, owner: Any) -> None:
        def of(x: Any) -> TensorMap:
            block = _block(jnp.ones((1, 1)) * jnp.sum(x), samples=Labels("s", [[0]]))
            return TensorMap(Labels("k", [[3]]), [block])

        parameter = Parameter(jnp.ones(5), DynamicLabels("s", atoms), owner=owner)
        assert_owners(of, {"x": parameter})

    atoms = jnp.zeros((5, 1), jnp.int32)
    for owner in ("s", [np.zeros(5, int)]):
        check(atoms, owner)
        with pytest.raises(InvalidTypeError, match="outside of traced functions"):
            jax.vmap(lambda atoms, owner=owner: check(atoms, owner))(atoms[None])
    with pytest.raises(InvalidTypeError, match="outside of traced functions"):
        jax.vmap(lambda owner: check(atoms, [owner]))(jnp.zeros((1, 5), int))
