r"""Radial integrals of Gaussian type orbitals with a Gaussian density, in closed form.

With :math:`c = 1 / 2\sigma^2`, :math:`d = 1 / 2\sigma_n^2`, :math:`a = (n + l + 3) / 2` and
:math:`b = l + 3/2` the integral at the distance r is :math:`(\pi / \sigma^2)^{3/4} e^{-c
r^2} (c r)^l (c + d)^{-a} \frac{\Gamma(a)}{\Gamma(b)} {}_1F_1(a, b, \frac{(c r)^2}{c + d})`.

Source: Musil et al., J. Chem. Phys. 154, 114109 (2021), appendix A.
"""

from __future__ import annotations

import numpy as np

from jaxmeta.errors import InvalidError, compose


# Above it hyp1f1 comes near to overflow, and the expansion at infinity is exact.
_LARGE = 300.0
_MOST_TERMS = 60


def gto_widths(size: int, radius: float) -> np.ndarray:
    """The widths of the orbitals n = 0 ... size - 1."""
    return radius * np.sqrt(np.maximum(np.arange(size), 1.0)) / size


def gto_overlaps(size: int, radius: float) -> np.ndarray:
    """Integrals of r^2 times two of the orbitals over all distances, each normalised."""
    from scipy.special import gammaln

    widths, n = gto_widths(size, radius), np.arange(size)
    a = (3.0 + n[:, None] + n) / 2
    rates = 1 / (2 * widths**2)
    logs = gammaln(a) - a * np.log(rates[:, None] + rates)
    scale = np.diag(logs) / 2
    return np.exp(logs - scale[:, None] - scale)


def gto_norms(size: int, radius: float) -> np.ndarray:
    """The norm of each orbital on its own."""
    from scipy.special import gamma

    widths, n = gto_widths(size, radius), np.arange(size)
    return np.sqrt(gamma(n + 1.5) * widths ** (2 * n + 3) / 2)


def orthonormalizer(overlaps: np.ndarray, what: str) -> np.ndarray:
    """The symmetric matrix that makes normalised functions orthonormal (Löwdin's)."""
    values, vectors = np.linalg.eigh(overlaps)
    if values.min() < 1e-12:
        raise InvalidError(
            compose(
                f"{what}: the radial functions depend linearly on one another.",
                f"the smallest eigenvalue of their overlaps is {values.min():.2g}",
                remedy="take fewer of them: a lower max_radial.",
            )
        )
    return vectors @ np.diag(values**-0.5) @ vectors.T


def gto_integrals(
    distances: np.ndarray, degree: int, size: int, radius: float, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Integrals with the orthonormal orbitals, and derivatives: (distances, size)."""
    from scipy.special import gamma

    n, r = np.arange(size), distances[:, None]
    c, d = 1 / (2 * width**2), 1 / (2 * gto_widths(size, radius) ** 2)
    a, b = (n + degree + 3) / 2, degree + 1.5
    factor = (np.pi / width**2) ** 0.75 * gamma(a) / gamma(b) * (c + d) ** -a
    z, decay = (c * r) ** 2 / (c + d), -c * r**2
    bell, slope = _scaled(a, b, z, decay), _scaled(a + 1, b + 1, z, decay) * (a / b)
    power = (c * r) ** degree
    lower = degree * c * (c * r) ** (degree - 1) if degree else np.zeros_like(r)
    values = factor * power * bell
    steps = (lower - 2 * c * r * power) * bell + power * slope * (2 * c**2 * r / (c + d))
    mixing = orthonormalizer(gto_overlaps(size, radius), "Gto") / gto_norms(size, radius)
    return values @ mixing.T, (factor * steps) @ mixing.T


def _scaled(a: np.ndarray, b: float, z: np.ndarray, log_scale: np.ndarray) -> np.ndarray:
    """The function 1F1(a, b, z) of Kummer times exp(log_scale), for z >= 0."""
    from scipy.special import gammaln, hyp1f1

    a, log_scale = np.broadcast_to(a, z.shape), np.broadcast_to(log_scale, z.shape)
    small = z < _LARGE
    near = hyp1f1(a, b, np.where(small, z, 0.0)) * np.exp(log_scale)
    far = np.where(small, _LARGE, z)
    term, total = np.ones_like(far), np.ones_like(far)
    for k in range(_MOST_TERMS):
        term = term * (b - a + k) * (1 - a + k) / ((k + 1) * far)
        total += term
        if np.abs(term).max() < 1e-17:
            break
    logs = gammaln(b) - gammaln(a) + far + (a - b) * np.log(far) + log_scale
    return np.where(small, near, np.exp(np.where(small, 0.0, logs)) * total)
