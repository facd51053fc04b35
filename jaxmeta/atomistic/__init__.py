"""What potentials are about: units."""

from jaxmeta.atomistic.units import unit_conversion_factor as unit_conversion_factor
