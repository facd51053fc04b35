"""Hyper-parameters of representations: featomic's dictionaries, checked and frozen."""

from jaxmeta.representations._hypers.bases import Explicit as Explicit
from jaxmeta.representations._hypers.bases import TensorProduct as TensorProduct
from jaxmeta.representations._hypers.bases import (
    laplacian_eigenstates as laplacian_eigenstates,
)
from jaxmeta.representations._hypers.cutoffs import Cutoff as Cutoff
from jaxmeta.representations._hypers.cutoffs import ShiftedCosine as ShiftedCosine
from jaxmeta.representations._hypers.cutoffs import Step as Step
from jaxmeta.representations._hypers.densities import DiracDelta as DiracDelta
from jaxmeta.representations._hypers.densities import Gaussian as Gaussian
from jaxmeta.representations._hypers.densities import SmearedPowerLaw as SmearedPowerLaw
from jaxmeta.representations._hypers.densities import Willatt2018 as Willatt2018
from jaxmeta.representations._hypers.hypers import Hypers as Hypers
from jaxmeta.representations._hypers.hypers import LodeHypers as LodeHypers
from jaxmeta.representations._hypers.hypers import parse_hypers as parse_hypers
from jaxmeta.representations._hypers.hypers import parse_lode_hypers as parse_lode_hypers
from jaxmeta.representations._hypers.radial_bases import Bernstein as Bernstein
from jaxmeta.representations._hypers.radial_bases import Gto as Gto
from jaxmeta.representations._hypers.radial_bases import Monomials as Monomials
from jaxmeta.representations._hypers.radial_bases import RadialFunctions as RadialFunctions
from jaxmeta.representations._hypers.radial_bases import SphericalBessel as SphericalBessel
from jaxmeta.representations._hypers.radial_bases import Tabulated as Tabulated
