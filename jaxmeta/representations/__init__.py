"""Representations of atomic environments, with featomic's names and conventions."""

from jaxmeta.representations.alchemical import Alchemical as Alchemical
from jaxmeta.representations.atomic_composition import (
    AtomicComposition as AtomicComposition,
)
from jaxmeta.representations.harmonics import solid_harmonics as solid_harmonics
from jaxmeta.representations.harmonics import spherical_harmonics as spherical_harmonics
from jaxmeta.representations.lode import LodeSphericalExpansion as LodeSphericalExpansion
from jaxmeta.representations.neighbor_list import NeighborList as NeighborList
from jaxmeta.representations.power_spectrum import SoapPowerSpectrum as SoapPowerSpectrum
from jaxmeta.representations.radial_spectrum import (
    SoapRadialSpectrum as SoapRadialSpectrum,
)
from jaxmeta.representations.sorted_distances import SortedDistances as SortedDistances
from jaxmeta.representations.spectra import (
    EquivariantPowerSpectrum as EquivariantPowerSpectrum,
)
from jaxmeta.representations.spectra import (
    EquivariantPowerSpectrumByPair as EquivariantPowerSpectrumByPair,
)
from jaxmeta.representations.spectra import PowerSpectrum as PowerSpectrum
from jaxmeta.representations.spherical_expansion import (
    SphericalExpansion as SphericalExpansion,
)
from jaxmeta.representations.spherical_expansion_by_pair import (
    SphericalExpansionByPair as SphericalExpansionByPair,
)
