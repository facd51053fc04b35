"""Zeros of spherical Bessel functions."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np


@functools.lru_cache(maxsize=1024)
def bessel_zeros(degree: int, count: int) -> tuple[float, ...]:
    """The first positive zeros of the spherical Bessel function of some degree.

    Between two zeros of degree l - 1 lies exactly one of degree l.

    Source: NIST Digital Library of Mathematical Functions, 10.21(i) and 10.51.

    Example:
        >>> bessel_zeros(0, 2), bessel_zeros(1, 1)
        ((3.14159..., 6.28318...), (4.49340...,))
    """
    if degree == 0:
        return tuple(float(np.pi * n) for n in range(1, count + 1))
    from scipy.optimize import brentq
    from scipy.special import spherical_jn

    below = bessel_zeros(degree - 1, count + 1)
    between: list[Any] = [
        brentq(lambda z: spherical_jn(degree, z), a, b, xtol=1e-15)
        for a, b in itertools.pairwise(below)
    ]
    return tuple(map(float, between))
