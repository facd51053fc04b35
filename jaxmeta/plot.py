"""Plots of predictions. Every function draws into axes of matplotlib and returns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, MissingExtraError, compose
from jaxmeta.operations.logic import equal_metadata_raise


try:
    from matplotlib.collections import PathCollection
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise MissingExtraError(__name__, "matplotlib", "plot") from error

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Told apart with any kind of colour vision, and in grey (Okabe and Ito, 2008).
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


def parity(
    reference: Any,
    predictions: Mapping[str, Any],
    gradient: str | None = None,
    *,
    quantity: str = "value",
    unit: str = "",
    error_unit: str | None = None,
    error_scale: float = 1.0,
    axes: Axes | None = None,
) -> Axes:
    """Predictions against the reference, one colour for each model.

    Both axes have the same range and scale, so that perfect predictions lie on the
    diagonal; the legend tells the mean absolute error of each model.

    Arguments:
        reference: a `TensorMap`, or an array of any shape.
        predictions: one map with the metadata of the reference (or one array of its
            shape) for each model, by the name that the legend gives it.
        gradient: of maps, the gradient to draw; the values by default.
        quantity: what it is, for the labels of the axes.
        unit: its unit.
        error_unit: the unit of the errors in the legend; `unit` by default.
        error_scale: how many of `error_unit` make one `unit`.
        axes: where to draw; the current axes of pyplot by default.

    Returns:
        The axes.

    Raises:
        InvalidError: for no predictions, or arrays of another shape.
        NotEqualError: for maps with other metadata than the reference.
        MissingError: when there is no such gradient.

    Example:
        >>> from matplotlib.figure import Figure
        >>> axes = Figure().subplots()
        >>> points = {"linear": [1.1, 2.0], "cubic": [1.0, 2.0]}
        >>> axes = parity([1.0, 2.0], points, quantity="energy", unit="eV", axes=axes)
        >>> [text.get_text() for text in axes.get_legend().get_texts()]
        ['linear: 0.05 eV', 'cubic: 0 eV']
    """
    axes = _current_axes() if axes is None else axes
    true, points = _points("parity", reference, predictions, gradient)
    error_unit = unit if error_unit is None else error_unit
    for number, (name, predicted) in enumerate(points.items()):
        error = error_scale * float(np.abs(predicted - true).mean())
        legend = f"{name}: {_three_digits(error)} {error_unit}".rstrip()
        _draw(axes, true, predicted, legend, COLOURS[number % len(COLOURS)])
    _frame(axes, np.concatenate([true, *points.values()]))
    axes.set_xlabel(f"reference {_titled(quantity, unit)}")
    axes.set_ylabel(f"predicted {_titled(quantity, unit)}")
    _legend(axes)
    return axes


def residuals(
    reference: Any,
    predictions: Mapping[str, Any],
    gradient: str | None = None,
    *,
    quantity: str = "value",
    unit: str = "",
    error_unit: str | None = None,
    error_scale: float = 1.0,
    axes: Axes | None = None,
) -> Axes:
    """Errors of predictions against the reference, in the colours of `parity`.

    It tells models apart whose parity plots are one line. Arguments and errors are those
    of `parity`; the errors are drawn in `error_unit`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> axes = residuals([1.0, 2.0], {"linear": [1.1, 2.0]}, axes=Figure().subplots())
        >>> axes.get_ylabel()
        'error of value'
    """
    axes = _current_axes() if axes is None else axes
    true, points = _points("residuals", reference, predictions, gradient)
    error_unit = unit if error_unit is None else error_unit
    for number, (name, predicted) in enumerate(points.items()):
        errors = error_scale * (predicted - true)
        _draw(axes, true, errors, name, COLOURS[number % len(COLOURS)])
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"reference {_titled(quantity, unit)}")
    axes.set_ylabel(f"error of {_titled(quantity, error_unit)}")
    return axes


def _current_axes() -> Axes:
    import matplotlib.pyplot as plt

    return plt.gca()


def _titled(quantity: str, unit: str) -> str:
    return f"{quantity} ({unit})" if unit else quantity


def _points(
    operation: str, reference: Any, predictions: Mapping[str, Any], gradient: str | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The reference and every prediction as flat arrays of the same entries."""
    if not predictions:
        raise InvalidError(compose(f"{operation}: there are no predictions to draw."))
    true = _numbers(reference, gradient)
    points = {}
    for name, prediction in predictions.items():
        if isinstance(reference, TensorMap) and isinstance(prediction, TensorMap):
            equal_metadata_raise(reference, prediction)
        points[name] = _numbers(prediction, gradient)
        if points[name].shape != true.shape:
            raise InvalidError(
                compose(
                    f"{operation}: {name!r} has another number of values than the "
                    "reference.",
                    f"found {points[name].size}, the reference has {true.size}",
                )
            )
    return true, points


def _numbers(data: Any, gradient: str | None) -> np.ndarray:
    """All values (or all of one gradient) of a map, or an array, as one flat array."""
    if not isinstance(data, TensorMap):
        return np.asarray(data, dtype=float).ravel()
    parts = [np.asarray(_part(block, gradient).values).ravel() for block in data]
    return np.concatenate(parts) if parts else np.zeros(0)


def _part(block: TensorBlock, gradient: str | None) -> TensorBlock:
    return block if gradient is None else block.gradient(gradient)


def _draw(
    axes: Axes, true: np.ndarray, predicted: np.ndarray, legend: str, colour: str
) -> None:
    crowded = min(1.0, (300 / max(true.size, 1)) ** 0.5)
    axes.scatter(
        true, predicted, s=4 + 16 * crowded, color=colour, alpha=0.25 + 0.55 * crowded,
        linewidths=0, label=legend, rasterized=true.size > 2000,
    )  # fmt: skip


def _legend(axes: Axes) -> None:
    """Above the axes, where no point can be."""
    legend = axes.legend(
        title="mean absolute error",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        frameon=False,
        handletextpad=0.2,
        alignment="left",
        borderaxespad=0.0,
    )
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set(alpha=1, sizes=[30])


def _frame(axes: Axes, numbers: np.ndarray) -> None:
    """One range for both axes, with the diagonal, and room for the legend on top."""
    finite = numbers[np.isfinite(numbers)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    room = 0.05 * (high - low) or 1.0
    limits = (low - room, high + room)
    axes.plot(limits, limits, color="0.6", linewidth=0.8, zorder=0)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))


def _three_digits(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"
