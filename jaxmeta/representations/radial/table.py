"""Tables of radial integrals: cubics in rows, looked up by distance."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core.layouts._precision import check_dtype, floating_dtype
from jaxmeta.errors import InvalidTypeError, compose
from jaxmeta.representations._floats import floats_of
from jaxmeta.representations._hypers import Cutoff, Hypers, Willatt2018
from jaxmeta.representations.radial._integrals import splines_of
from jaxmeta.representations.radial._scaling import (
    derivative_of,
    scale_of,
    scale_of_center,
)
from jaxmeta.representations.radial._splines import are_equidistant, on_one_grid


_Y00 = 1 / math.sqrt(4 * math.pi)


class RadialTable(eqx.Module):
    r"""Radial integrals of all channels as functions of the distance.

    Calling it gives :math:`s(r) I_{nl}(r)`, where :math:`I` is a cubic spline, as accurate
    as was asked for, and :math:`s` the smoothing at the cutoff times the scaling of the
    density. Zero at the cutoff radius and beyond.

    Derivatives of all orders are those of the very same function, spline and scale: of the
    first order continuous where the smoothing is, of the second order with jumps at knots,
    of third order the last that do not vanish for the spline. Arrays of the table can be
    differentiated by too; `knots` count as constants.

    Make it with `radial_table`. It is a pytree.

    Arguments:
        coefficients: shape (intervals, 4, channels): what to multiply with 1, t, t², t³
            for the distance t to the lower end of the interval. One row serves all
            channels.
        center: shape (functions of degree 0,): what an atom contributes to its own
            expansion, times the harmonic of degree 0; empty where there is no degree 0.
        knots: shape (intervals + 1,), the ends of intervals of several widths; None where
            all have one width.
        start: where the first interval begins, a length.
        step: the width of intervals, a length.
        channels: (l, n) of each channel, by degree first.
        cutoff: radius and smoothing.
        scaling: of the density, if there is one.
    """

    coefficients: Any
    center: Any
    knots: Any
    start: float = eqx.field(static=True)
    step: float = eqx.field(static=True)
    channels: tuple[tuple[int, int], ...] = eqx.field(static=True)
    cutoff: Cutoff = eqx.field(static=True)
    scaling: Willatt2018 | None = eqx.field(static=True)

    @property
    def n_per_l(self) -> dict[int, int]:
        """How many channels each degree has, in order of degrees."""
        degrees = [degree for degree, _ in self.channels]
        return {degree: degrees.count(degree) for degree in dict.fromkeys(degrees)}

    @property
    def dtype(self) -> Any:
        """The dtype of the arrays, which distances must have too."""
        return self.coefficients.dtype

    def astype(self, dtype: Any) -> RadialTable:
        """The same table in another precision.

        Raises:
            InvalidTypeError: for what is no dtype of floating point numbers.
            PrecisionError: for double precision where JAX runs without.
        """
        wanted = checked_dtype("RadialTable.astype", dtype)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, wanted), self)

    def __call__(self, r: Any) -> jax.Array:
        """The channels at distances `r` of any shape, (..., channels).

        Raises:
            InvalidTypeError: for distances of another dtype than the table.
        """
        return self._evaluate(0, self._distances("RadialTable", r))

    def with_derivative(self, r: Any) -> tuple[jax.Array, jax.Array]:
        """The channels at distances `r`, and their derivatives by `r`, (..., channels).

        Raises:
            InvalidTypeError: for distances of another dtype than the table.
        """
        r = self._distances("RadialTable.with_derivative", r)
        return self._evaluate(0, r), self._evaluate(1, r)

    def _evaluate(self, order: int, r: jax.Array) -> jax.Array:
        grid = _Grid(self.start, self.step, self.cutoff, self.scaling)
        return _program(order, grid, self.coefficients, self.knots, r)

    def _distances(self, operation: str, r: Any) -> jax.Array:
        distances = floats_of(operation, "the distances", r)
        if distances.dtype != self.dtype:
            raise InvalidTypeError(
                compose(
                    f"{operation}: the distances are {distances.dtype}, the table "
                    f"is {self.dtype}.",
                    remedy=f"convert on purpose: table.astype(np.{distances.dtype}).",
                )
            )
        return distances


def radial_table(hypers: Hypers, dtype: Any = np.float64) -> RadialTable:
    r"""The radial integrals of some hyper-parameters, as a table.

    Splines have the knots of featomic, so that both give the same numbers, also where they
    are not accurate: one spline for each degree, on 10 equal intervals halved until the
    mean error at midpoints is below ``spline_accuracy``. All of them are then written on
    the finest grid, where they are the same cubics. Without an accuracy it is 1e-11.

    Arguments:
        hypers: of `parse_hypers`.
        dtype: of the table, and so of distances; it is computed in double precision.

    Returns:
        The table, lengths in the unit of the cutoff radius.

    Raises:
        InvalidError: for densities and bases that can not go together, radial functions
            that depend linearly on one another, accuracies that can not be reached, and
            points of tables that do not reach from 0 to the cutoff radius.
        InvalidTypeError: for what is no dtype of floating point numbers.
        PrecisionError: for double precision where JAX runs without.

    Example:
        >>> import numpy as np
        >>> from jaxmeta.representations._hypers import parse_hypers
        >>> hypers = parse_hypers(
        ...     {"radius": 4.0, "smoothing": {"type": "Step"}},
        ...     {"type": "Gaussian", "width": 0.5},
        ...     {"type": "TensorProduct", "max_angular": 1,
        ...      "radial": {"type": "Gto", "max_radial": 2}},
        ... )
        >>> table = radial_table(hypers)
        >>> table.channels
        ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2))
        >>> table(np.array([1.0, 4.0])).shape
        (2, 6)
    """
    return table_of(
        *_on_host(hypers),
        checked_dtype("radial_table", dtype),
        n_per_l=hypers.n_per_l,
        cutoff=hypers.cutoff,
        scaling=hypers.density.scaling,
    )


@functools.lru_cache(maxsize=32)
def _on_host(hypers: Hypers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    splines = splines_of(hypers)
    center = np.zeros(0)
    if 0 in hypers.n_per_l:
        weight = hypers.density.center_atom_weight * scale_of_center(hypers.cutoff)
        center = weight * _Y00 * splines[0](np.zeros(1))[0]
    return *on_one_grid(splines), center


def checked_dtype(where: str, given: Any) -> np.dtype[Any]:
    """The dtype of a table.

    Raises:
        InvalidTypeError: for what is no dtype of floating point numbers.
        PrecisionError: for double precision where JAX runs without.
    """
    dtype = floating_dtype(where, given)
    check_dtype(dtype, where, "ask for dtype=np.float32.")
    return dtype


def table_of(
    knots: np.ndarray,
    cubics: np.ndarray,
    center: np.ndarray,
    dtype: np.dtype[Any],
    *,
    n_per_l: Mapping[int, int],
    cutoff: Cutoff,
    scaling: Willatt2018 | None = None,
) -> RadialTable:
    """The table of cubics between knots, which were computed on the host."""
    even = are_equidistant(knots)
    # A table that is made inside a traced function is a constant of it, no tracer.
    with jax.ensure_compile_time_eval():
        return RadialTable(
            jnp.asarray(cubics, dtype),
            jnp.asarray(center, dtype),
            None if even else jnp.asarray(knots, dtype),
            float(knots[0]),
            float((knots[-1] - knots[0]) / (len(knots) - 1)),
            tuple((degree, n) for degree, size in n_per_l.items() for n in range(size)),
            cutoff,
            scaling,
        )


@dataclasses.dataclass(frozen=True)
class _Grid:
    """All of a table that is static."""

    start: float
    step: float
    cutoff: Cutoff
    scaling: Willatt2018 | None


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _evaluate(order: int, grid: _Grid, coefficients: Any, knots: Any, r: Any) -> Any:
    """The derivative of some order, by the rule for derivatives of products."""
    # Rows that two orders share would be written to memory. Looked up for each order, they
    # never leave the processor, which is several times faster.
    for _ in range(order):
        r = jax.lax.optimization_barrier(r)
    # NaN stays NaN: it is not outside.
    inside = jnp.where(r >= grid.cutoff.radius, 0.0, r)
    row, t = _locate(grid, knots, inside, len(coefficients))
    cubic = jnp.asarray(coefficients).at[row].get(mode="clip")
    scale = scale_of(grid.cutoff, grid.scaling)
    total: Any = 0.0
    for inner in range(min(order, 3) + 1):
        factor = derivative_of(scale, order - inner)(r) * math.comb(order, inner)
        total = total + factor[..., None] * _polynomial(cubic, t[..., None], inner)
    return total


def _locate(grid: _Grid, knots: Any, r: Any, count: int) -> tuple[Any, Any]:
    """The interval of each distance, and how far from its lower end it is."""
    if knots is None:
        row = jnp.floor((r - grid.start) / grid.step).astype(np.int32)
        row = jnp.clip(row, 0, count - 1)
        return row, r - (grid.start + row.astype(r.dtype) * grid.step)
    row = jnp.searchsorted(knots, r, side="right").astype(np.int32) - 1
    row = jnp.clip(row, 0, count - 1)
    return row, r - jnp.asarray(knots).at[row].get(mode="clip")


def _polynomial(cubic: Any, t: Any, order: int) -> Any:
    """The derivative of some order of cubics, (..., 4, channels), at t."""
    total: Any = None
    for power in range(3, order - 1, -1):
        factor = math.perm(power, order)
        term = cubic[..., power, :] * factor if factor != 1 else cubic[..., power, :]
        total = term if total is None else total * t + term
    return total


@functools.partial(_evaluate.defjvp, symbolic_zeros=True)
def _evaluate_jvp(
    order: int, grid: _Grid, primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[Any, Any]:
    coefficients, knots, r = primals
    of_table, _, of_r = tangents
    value = _evaluate(order, grid, coefficients, knots, r)
    tangent = jnp.zeros_like(value)
    if not isinstance(of_r, jax.custom_derivatives.SymbolicZero):
        slope = _evaluate(order + 1, grid, coefficients, knots, r)
        tangent = tangent + slope * cast(Any, of_r)[..., None]
    if not isinstance(of_table, jax.custom_derivatives.SymbolicZero):
        tangent = tangent + _evaluate(order, grid, of_table, knots, r)
    return value, tangent


# Eagerly one program and no steps; within other programs as if written there.
_program = jax.jit(_evaluate, static_argnums=(0, 1), inline=True)
