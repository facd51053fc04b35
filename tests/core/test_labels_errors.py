"""What Labels refuse: each message says what is wrong, both sides, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmeta import DynamicLabels, JaxmetaError, Labels, LabelsEntry, MetatensorError
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, OutOfRangeError


AB = Labels(["alpha", "beta"], [[1, 2], [3, 4], [1, 5]])

pytestmark = pytest.mark.usefixtures("wrong_types")

CASES: dict[str, tuple[Callable[[], Any], type[JaxmetaError], str]] = {
    # names
    "a name that starts with a digit": (
        lambda: Labels("9a", [[0]]),
        InvalidError,
        r"^Labels: '9a' is not a valid name.*use letters, digits and underscores",
    ),
    "a name beyond ASCII": (
        lambda: Labels("größe", [[0]]),
        InvalidError,
        "'größe' is not a valid name",
    ),
    "a name with a newline at its end": (
        lambda: Labels(["a\n"], [[0]]),
        InvalidError,
        r"'a\\n' is not a valid name",
    ),
    "names that are not text": (
        lambda: Labels([1], [[0]]),  # type: ignore[list-item]
        InvalidTypeError,
        "must be a string.*found 1, a int",
    ),
    "names that are no sequence": (
        lambda: Labels(3, [[0]]),  # type: ignore[arg-type]
        InvalidTypeError,
        "names must be a string or a sequence of strings.*found int",
    ),
    "a name that stands twice": (
        lambda: Labels(["a", "b", "a"], [[0, 1, 2]]),
        InvalidError,
        r"a name of its own.*\['a', 'b', 'a'\].*rename one",
    ),
    # values
    "a column in place of a table": (
        lambda: Labels("a", [1, 2, 3]),
        InvalidError,
        r"table with one row per entry.*shape \(3,\).*\['a'\].*reshape\(-1, 1\)",
    ),
    "a row in place of a table": (
        lambda: Labels(["a", "b"], np.array([1, 2])),
        InvalidError,
        r"shape \(2,\).*give an array of shape \(rows, 2\)",
    ),
    "rows of different lengths": (
        lambda: Labels("a", [[1], [2, 3]]),
        InvalidError,
        r"^Labels: the values are no table.*different lengths.*\[\[1\], \[2, 3\]\]",
    ),
    "a position by a list in a tuple": (
        lambda: AB.position(([1], 2)),  # type: ignore[arg-type]
        InvalidError,
        "^Labels.position: ",
    ),
    "a cube": (
        lambda: Labels(["a", "b"], np.zeros((1, 2, 3), int)),
        InvalidError,
        r"found an array of shape \(1, 2, 3\)",
    ),
    "a number": (lambda: Labels("a", 3), InvalidError, r"found an array of shape \(\)"),
    "too many columns": (
        lambda: Labels(["a", "b"], [[1, 2, 3]]),
        InvalidError,
        r"found 3 columns and 2 names \['a', 'b'\]",
    ),
    "floats": (
        lambda: Labels("a", [[0.5]]),
        InvalidTypeError,
        r"must be integers.*found dtype float64.*\.astype",
    ),
    "whole floats": (
        lambda: Labels("a", np.array([[1.0]], np.float32)),
        InvalidTypeError,
        "found dtype float32",
    ),
    "complex numbers": (lambda: Labels("a", [[1j]]), InvalidTypeError, "complex128"),
    "text": (lambda: Labels("a", [["x"]]), InvalidTypeError, "must be integers"),
    "objects": (lambda: Labels("a", [[None]]), InvalidTypeError, "found dtype object"),
    "bools": (
        lambda: Labels("a", [[True]]),
        InvalidTypeError,
        r"^Labels: label values must be integers.*found dtype bool.*\.astype\(int\)",
    ),
    "an array of bools": (
        lambda: Labels(["a", "b"], np.eye(2, dtype=bool)),
        InvalidTypeError,
        "found dtype bool",
    ),
    "a bool in an entry": (
        lambda: LabelsEntry("a", [True]),
        InvalidTypeError,
        "^LabelsEntry: .*found dtype bool",
    ),
    "a dimension of bools": (
        lambda: AB.insert(0, "c", np.array([True, False, True])),
        InvalidTypeError,
        "^Labels.insert: .*found dtype bool",
    ),
    "a range to a bool": (
        lambda: Labels.range("n", True),
        InvalidTypeError,
        "^Labels.range: .*found dtype bool",
    ),
    "dynamic labels of bools": (
        lambda: DynamicLabels("a", [[True]]),
        InvalidTypeError,
        "^DynamicLabels: .*found dtype bool",
    ),
    "2**31": (
        lambda: Labels(["a", "b"], [[0, 1], [2, 2**31]]),
        InvalidError,
        "does not fit into int32.*first is 2147483648 at row 1.*-2147483648 to 2147483647",
    ),
    "2**40": (
        lambda: Labels("a", np.array([[2**40]])),
        InvalidError,
        "first is 1099511627776 at row 0",
    ),
    "just below int32": (
        lambda: Labels("a", [[-(2**31) - 1]]),
        InvalidError,
        "first is -2147483649",
    ),
    "large unsigned numbers": (
        lambda: Labels("a", np.array([[2**64 - 1]], np.uint64)),
        InvalidError,
        "first is 18446744073709551615",
    ),
    "numbers beyond 64 bits": (
        lambda: Labels("a", [[2**70]]),
        JaxmetaError,
        "^Labels: ",
    ),
    "the same row twice": (
        lambda: Labels(["a", "b"], [[1, 2], [3, 4], [1, 2]]),
        InvalidError,
        r"same entry stands twice.*\(a=1, b=2\) is at row 0 and again at row 2.*unique",
    ),
    "a negative range": (lambda: Labels.range("n", -1), InvalidError, "zero or more.*-1"),
    "a range of two names": (
        lambda: Labels.range(["a", "b"], 2),  # type: ignore[arg-type]
        InvalidError,
        "one name",
    ),
    # entries and columns
    "no such entry": (lambda: AB[3], OutOfRangeError, "no entry 3.*there are 3 entries"),
    "no such negative entry": (lambda: AB.entry(-4), OutOfRangeError, "no entry -4"),
    "a slice": (lambda: AB[1:], InvalidTypeError, r"labels\.values\[\.\.\.\]"),
    "a bool as position": (lambda: AB[True], InvalidTypeError, "found True, a bool"),
    "no such column": (
        lambda: AB["alpa"],
        MissingError,
        "no dimension 'alpa'.*'alpha', 'beta'; did you mean 'alpha'",
    ),
    "no such column by method": (lambda: AB.column("x"), MissingError, "no dimension 'x'"),
    "an entry of other names": (
        lambda: AB.position(LabelsEntry(["beta", "alpha"], [1, 2])),
        InvalidError,
        r"\['beta', 'alpha'\].*\['alpha', 'beta'\]",
    ),
    "an entry of wrong length": (
        lambda: AB.position((1,)),
        InvalidError,
        r"one integer per dimension.*found \(1,\)",
    ),
    "an entry of floats": (
        lambda: AB.position([1.5, 2.0]),  # type: ignore[list-item]
        InvalidTypeError,
        "entries are integers",
    ),
    # changed copies
    "an appended name that is there": (
        lambda: AB.append("beta", [1, 2, 3]),
        InvalidError,
        r"Labels\.append: every dimension needs a name of its own",
    ),
    "an appended column that is too short": (
        lambda: AB.append("c", [1, 2]),
        InvalidError,
        r"Labels\.append.*found shape \(2,\), there are 3 entries",
    ),
    "appended floats": (
        lambda: AB.append("c", [0.5, 1.0, 2.0]),
        InvalidTypeError,
        r"Labels\.append: label values must be integers",
    ),
    "an inserted overflow": (
        lambda: AB.insert(0, "c", [0, 1, 2**31]),
        InvalidError,
        r"Labels\.insert.*2147483648 at row 2",
    ),
    "an insertion too far": (
        lambda: AB.insert(3, "c", [1, 2, 3]),
        OutOfRangeError,
        "no position 3.*2 dimensions",
    ),
    "a removal that leaves doubles": (
        lambda: AB.remove("beta"),
        InvalidError,
        r"same entry stands twice.*\(alpha=1\) is at row 0 and again at row 2",
    ),
    "a removal of nothing": (lambda: AB.remove("c"), MissingError, "no dimension 'c'"),
    "a permutation that repeats": (
        lambda: AB.permute([0, 0]),
        InvalidError,
        r"named once.*found \[0, 0\] for 2 dimensions",
    ),
    "a permutation by fractions": (
        lambda: AB.permute([0.9, 1.2]),  # type: ignore[list-item]
        InvalidTypeError,
        r"Labels\.permute.*integers.*float64",
    ),
    "an insertion before a name": (
        lambda: AB.insert("alpha", "c", [0, 0, 0]),  # type: ignore[arg-type]
        InvalidTypeError,
        r"^Labels\.insert: .*integers",
    ),
    "an insertion before a fraction": (
        lambda: AB.insert(1.0, "c", [0, 0, 0]),  # type: ignore[arg-type]
        InvalidTypeError,
        r"^Labels\.insert: .*integers.*float64",
    ),
    "a dimension of an entry by a bool": (
        lambda: AB[0][True],
        InvalidTypeError,
        "by position or by name.*found True",
    ),
    "a permutation of too few": (lambda: AB.permute([0]), InvalidError, r"found \[0\]"),
    "a new name that is there": (
        lambda: AB.rename("alpha", "beta"),
        InvalidError,
        r"Labels\.rename: every dimension needs a name of its own",
    ),
    "a rename of nothing": (lambda: AB.rename("c", "d"), MissingError, "no dimension 'c'"),
    # two labels
    "a union of other names": (
        lambda: AB.union(AB.permute([1, 0])),
        InvalidError,
        r"Labels\.union.*left has \['alpha', 'beta'\], right has \['beta', 'alpha'\]"
        r".*permute\(\) or rename\(\)",
    ),
    "an intersection with a list": (
        lambda: AB.intersection([[1, 2]]),  # type: ignore[arg-type]
        InvalidTypeError,
        r"Labels\.intersection: the other side must be Labels.*found list",
    ),
    "a difference of other names": (
        lambda: AB.difference(AB.rename("beta", "gamma")),
        InvalidError,
        r"Labels\.difference",
    ),
    "a selection by unknown names": (
        lambda: AB.select(Labels("bet", [[1]])),
        MissingError,
        r"Labels\.select: there is no dimension 'bet'.*did you mean 'beta'",
    ),
    "a selection by a list": (
        lambda: AB.select([1, 2]),  # type: ignore[arg-type]
        InvalidTypeError,
        r"Labels\.select: the selection must be Labels.*found list",
    ),
    # entries on their own
    "an entry without its value": (
        lambda: LabelsEntry(["a", "b"], [1]),
        InvalidError,
        r"found shape \(1,\), there are 2 entries",
    ),
    "an entry that overflows": (
        lambda: LabelsEntry("a", [2**31]),
        InvalidError,
        "does not fit into int32",
    ),
    "an entry's missing name": (
        lambda: AB[0]["gamma"],
        MissingError,
        r"no dimension 'gamma' in LabelsEntry\(alpha=1, beta=2\)",
    ),
    "an entry's missing position": (lambda: AB[0][2], OutOfRangeError, "no dimension 2"),
    "an entry's slice": (lambda: AB[0][:1], InvalidTypeError, "by position or by name"),  # type: ignore[index]
    "dynamic labels in place of labels": (
        lambda: AB.union(DynamicLabels.from_labels(AB)),  # type: ignore[arg-type]
        InvalidTypeError,
        "found DynamicLabels",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(case: str) -> None:
    call, kind, message = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda x: Labels("a", x), "Labels"),
        (lambda x: Labels("a", [[0]]).append("b", x[:, 0]), "Labels.append"),
        (lambda x: Labels("a", [[0]]).position(x[0]), "Labels.position"),
        (lambda x: LabelsEntry("a", x[0]), "LabelsEntry"),
        (lambda x: Labels("a", [[x[0, 0]]]), "Labels"),
        (lambda x: Labels.range("a", x[0, 0]), "Labels.range"),
        (lambda x: AB.position([x[0, 0], 2]), "Labels.position"),
        (lambda x: AB.position((x[0, 0], 2)), "Labels.position"),
    ],
)
def test_traced_values_are_refused(make: Callable[[Any], Any], where: str) -> None:
    with pytest.raises(InvalidTypeError) as caught:
        jax.jit(lambda x: make(x))(jnp.zeros((1, 1), jnp.int32))
    message = str(caught.value)
    assert message.startswith(f"{where}: the values are traced by JAX")
    assert "use DynamicLabels" in message


def test_errors_are_also_those_that_python_users_expect() -> None:
    with pytest.raises(ValueError, match="twice"):
        Labels("a", [[1], [1]])
    with pytest.raises(TypeError, match="integers"):
        Labels("a", [[0.5]])
    with pytest.raises(IndexError, match="no entry"):
        AB[7]
    with pytest.raises(KeyError, match="no dimension"):
        AB["gamma"]


def test_a_refused_duplicate_leaves_nothing_behind() -> None:
    for _ in range(2):  # the second time finds no labels that passed unchecked
        with pytest.raises(InvalidError, match="stands twice"):
            Labels("left_behind", [[1], [1]])


def test_a_promise_binds_only_who_made_it() -> None:
    table = [[1], [2], [1]]
    promised = Labels("promised", table, assume_unique=True)
    assert len(promised) == 3
    with pytest.raises(InvalidError, match="stands twice"):
        Labels("promised", table)
    with pytest.raises(InvalidError, match="stands twice"):
        promised.append("b", [0, 1, 0])
    good = Labels("promised", [[1], [2]], assume_unique=True)
    assert good is Labels("promised", [[1], [2]])


def test_labels_can_not_be_changed() -> None:
    for name in ("names", "values", "device", "anything"):
        with pytest.raises(AttributeError):
            setattr(AB, name, None)


def test_programs_for_metatensor_catch_the_same_name() -> None:
    with pytest.raises(MetatensorError, match="stands twice"):
        Labels("a", [[1], [1]])
