"""Parity plots: what is drawn, from maps and from arrays, and what is refused."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import jaxmeta as jm
from jaxmeta import errors
from jaxmeta.plot import COLOURS, parity, residuals


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


def energies(shift: float = 0.0) -> jm.TensorMap:
    n = jm.Labels.range("energy", 1)
    rows = jm.Labels(["sample", "atom"], [[0, 0], [1, 0]])
    xyz = [jm.Labels.range("xyz", 3)]
    forces = jm.TensorBlock(shift * jnp.ones((2, 3, 1)), rows, xyz, n)
    values = jnp.array([[1.0], [3.0]]) + shift
    block = jm.TensorBlock(values, jm.Labels.range("s", 2), [], n, {"positions": forces})
    return jm.TensorMap(jm.Labels.single(), [block])


def test_points_lie_where_they_belong(axes: Axes) -> None:
    reference = np.array([[0.0, 1.0], [2.0, 4.0]])
    models = {"good": reference + 0.1, "bad": reference - 1.0}
    assert parity(reference, models, axes=axes) is axes
    for points, predicted in zip(axes.collections, models.values(), strict=True):
        expected = np.stack([reference.ravel(), predicted.ravel()], axis=1)
        np.testing.assert_array_equal(points.get_offsets(), expected)


def test_maps_give_values_or_a_gradient(axes: Axes) -> None:
    parity(energies(), {"a": energies(0.5)}, axes=axes)
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), [[1, 1.5], [3, 3.5]])
    other = Figure().subplots()
    parity(energies(), {"a": energies(0.5)}, "positions", axes=other)
    np.testing.assert_array_equal(other.collections[0].get_offsets(), [[0, 0.5]] * 6)


def test_both_axes_have_one_range_with_every_point(axes: Axes) -> None:
    parity([0.0, 1.0], {"far": [-5.0, 7.0]}, axes=axes)
    assert axes.get_xlim() == axes.get_ylim()
    low, high = axes.get_xlim()
    assert low < -5.0
    assert high > 7.0
    assert axes.get_aspect() == 1.0


def test_labels_errors_and_colours(axes: Axes) -> None:
    models = {"one": [1.25, 2.25], "two": [1.0, 2.0]}
    parity(
        [1.0, 2.0], models, quantity="energy", unit="eV", error_unit="meV",
        error_scale=1e3, axes=axes,
    )  # fmt: skip
    assert axes.get_xlabel() == "reference energy (eV)"
    assert axes.get_ylabel() == "predicted energy (eV)"
    legend = axes.get_legend()
    assert legend is not None
    found = [text.get_text() for text in legend.get_texts()]
    assert found == ["one: 250 meV", "two: 0 meV"]
    colours = {tuple(points.get_facecolor()[0][:3]) for points in axes.collections}
    assert len(colours) == 2
    assert len(set(COLOURS)) == len(COLOURS)


def test_residuals_are_errors_in_their_unit(axes: Axes) -> None:
    models = {"one": [1.25, 2.25], "two": [1.0, 1.5]}
    residuals([1.0, 2.0], models, unit="eV", error_unit="meV", error_scale=1e3, axes=axes)
    one, two = (points.get_offsets() for points in axes.collections)
    np.testing.assert_array_equal(one, [[1.0, 250.0], [2.0, 250.0]])
    np.testing.assert_array_equal(two, [[1.0, 0.0], [2.0, -500.0]])
    assert axes.get_xlabel() == "reference value (eV)"
    assert axes.get_ylabel() == "error of value (meV)"


def test_the_current_axes_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: pytest.fail("show was called"))
    figure, axes = plt.subplots()
    assert parity([1.0], {"a": [1.0]}) is axes
    plt.close(figure)


def test_maps_with_other_labels_are_refused(axes: Axes) -> None:
    other = jm.slice(energies(), "samples", [1, 0])
    with pytest.raises(errors.NotEqualError, match="samples"):
        parity(energies(), {"a": other}, axes=axes)


def test_arrays_of_another_size_are_refused(axes: Axes) -> None:
    with pytest.raises(errors.InvalidError, match=r"'a' .*\n.*found 1, .* 2"):
        parity([1.0, 2.0], {"a": [1.0]}, axes=axes)


@pytest.mark.parametrize("function", [parity, residuals])
def test_nothing_to_draw_is_refused(axes: Axes, function: Any) -> None:
    with pytest.raises(errors.InvalidError, match=f"{function.__name__}: .*no predictions"):
        function([1.0], {}, axes=axes)


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.ticker", None)
    monkeypatch.delitem(sys.modules, "jaxmeta.plot")
    with pytest.raises(errors.MissingExtraError, match=r'pip install "jaxmeta\[plot\]"'):
        importlib.import_module("jaxmeta.plot")
