"""lode_table: radial integrals in reciprocal space, looked up by wave number."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta.representations._hypers import Cutoff, LodeHypers, Step
from jaxmeta.representations.radial._lode import lode_on_host
from jaxmeta.representations.radial.table import RadialTable, checked_dtype, table_of


def lode_table(hypers: LodeHypers, dtype: Any = np.float64) -> RadialTable:
    r"""The radial integrals :math:`\int r^2 R_{nl}(r) j_l(k r) \mathrm dr`, as a table.

    Splines are refined as those of `radial_table`. The table is called with wave numbers,
    below ``k_cutoff``; from there on it is zero. Its `center` is what the smeared power law
    of an atom gives to its own coefficients of degree 0.

    Arguments:
        hypers: of `parse_lode_hypers`.
        dtype: of the table, and so of wave numbers; it is computed in double precision.

    Raises:
        InvalidError: for radial functions without a radius, or that depend linearly on one
            another, accuracies that can not be reached, and points of tables that do not
            reach from 0 to the ``k_cutoff``.
        InvalidTypeError: for what is no dtype of floating point numbers.
        PrecisionError: for double precision where JAX runs without.

    Example:
        >>> from jaxmeta.representations._hypers import parse_lode_hypers
        >>> hypers = parse_lode_hypers(
        ...     {"type": "SmearedPowerLaw", "smearing": 1.0, "exponent": 1},
        ...     {"type": "TensorProduct", "max_angular": 1,
        ...      "radial": {"type": "Gto", "max_radial": 2, "radius": 4.0}},
        ... )
        >>> table = lode_table(hypers, np.float32)
        >>> table(np.array([0.5, 100.0], np.float32)).shape
        (2, 6)
    """
    wanted = checked_dtype("lode_table", dtype)
    cutoff = Cutoff(hypers.k_cutoff, Step())
    return table_of(*lode_on_host(hypers), wanted, n_per_l=hypers.n_per_l, cutoff=cutoff)
