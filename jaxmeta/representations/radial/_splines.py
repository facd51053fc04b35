"""Cubic splines on the host: refined where needed, and put on one grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from jaxmeta.errors import InvalidError, compose


# What a function is known by: values and derivatives at distances, (points, channels).
Sampled = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_FIRST_INTERVALS = 10
_MOST_INTERVALS = 50_000
_SAME = 1e-12  # knots closer than that, relative to the whole range, are one


@dataclasses.dataclass(frozen=True)
class HermiteSpline:
    """Functions between knots: values and derivatives there, of shape (knots, channels)."""

    knots: np.ndarray
    values: np.ndarray
    slopes: np.ndarray

    def __call__(self, distances: np.ndarray) -> np.ndarray:
        """The functions at distances, (points, channels)."""
        cubics = self.cubics(self.knots)
        row = np.searchsorted(self.knots, distances, side="right") - 1
        row = np.clip(row, 0, len(self.knots) - 2)
        t = (distances - self.knots[row])[:, None]
        c = cubics[row]
        return c[:, 0] + t * (c[:, 1] + t * (c[:, 2] + t * c[:, 3]))

    def cubics(self, knots: np.ndarray) -> np.ndarray:
        """Polynomials in the distance to each knot of another grid that has all of these.

        Shape (intervals, 4, channels), from the constant to the cubic term.
        """
        width = np.diff(self.knots)[:, None]
        below, above = self.values[:-1], self.values[1:]
        first, last = self.slopes[:-1], self.slopes[1:]
        chord = (above - below) / width
        square = (3 * chord - 2 * first - last) / width
        cubic = (first + last - 2 * chord) / width**2
        middle = (knots[1:] + knots[:-1]) / 2
        row = np.clip(
            np.searchsorted(self.knots, middle, "right") - 1, 0, len(self.knots) - 2
        )
        # The same polynomial, about a point t further on.
        t = (knots[:-1] - self.knots[row])[:, None]
        a, b, c, d = below[row], first[row], square[row], cubic[row]
        shifted = (
            a + t * (b + t * (c + t * d)),
            b + t * (2 * c + t * (3 * d)),
            c + 3 * t * d,
            d,
        )
        return np.stack(shifted, axis=1)


def refined(sampled: Sampled, stop: float, accuracy: float) -> HermiteSpline:
    """A spline on 0 ... `stop` whose equal intervals are halved until it is accurate.

    This is featomic's rule, point by point: it begins with 10 intervals, and ends as soon
    as the mean over midpoints and channels of the absolute errors, or of the relative
    ones, is below `accuracy`.
    """
    knots = np.linspace(0.0, stop, _FIRST_INTERVALS + 1)
    spline = HermiteSpline(knots, *sampled(knots))
    while True:
        middles = (spline.knots[1:] + spline.knots[:-1]) / 2
        values, slopes = sampled(middles)
        errors = np.abs(spline(middles) - values)
        known = np.abs(values) > 1e-16
        relative = errors[known] / np.abs(values[known])
        if errors.mean() < accuracy or (relative.size and relative.mean() < accuracy):
            return spline
        if len(middles) >= _MOST_INTERVALS:
            raise InvalidError(
                compose(
                    f"the radial integrals can not be splined to {accuracy}.",
                    f"with {len(middles)} intervals the mean error is {errors.mean():.3g}",
                    remedy="ask for less: spline_accuracy; or give smoother functions.",
                )
            )
        spline = _between(spline, HermiteSpline(middles, values, slopes))


def _between(spline: HermiteSpline, middle: HermiteSpline) -> HermiteSpline:
    order = np.argsort(np.concatenate([spline.knots, middle.knots]), kind="stable")
    fields = ("knots", "values", "slopes")
    both = [np.concatenate([getattr(spline, f), getattr(middle, f)])[order] for f in fields]
    return HermiteSpline(*both)


def on_one_grid(splines: Sequence[HermiteSpline]) -> tuple[np.ndarray, np.ndarray]:
    """All knots of several splines, and their cubics there: exactly the same functions.

    Knots of shape (intervals + 1,) and cubics of shape (intervals, 4, all channels).
    """
    knots = np.sort(np.concatenate([spline.knots for spline in splines]))
    limit = _SAME * (knots[-1] - knots[0])
    knots = knots[np.append(True, np.diff(knots) > limit)]
    cubics = np.concatenate([spline.cubics(knots) for spline in splines], axis=2)
    return knots, cubics


def are_equidistant(knots: np.ndarray) -> bool:
    """Whether all intervals have one width."""
    even = np.linspace(knots[0], knots[-1], len(knots))
    return bool(np.abs(knots - even).max() <= _SAME * (knots[-1] - knots[0]))
