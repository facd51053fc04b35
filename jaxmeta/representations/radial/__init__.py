"""Radial integrals: what neighbours at a distance contribute to each radial function."""

from jaxmeta.representations.radial.splining import (
    spline_radial_integral as spline_radial_integral,
)
from jaxmeta.representations.radial.table import RadialTable as RadialTable
from jaxmeta.representations.radial.table import radial_table as radial_table
