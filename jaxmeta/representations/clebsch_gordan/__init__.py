"""Clebsch-Gordan products of labelled arrays: equivariants from equivariants.

What rotates as spherical harmonics do is multiplied so that the products do, too: blocks
of density correlations, power spectra and lambda-SOAP; and tensors go from Cartesian to
spherical components and back. Explicit gradients follow by the product rule.
"""

from jaxmeta.representations.clebsch_gordan.arrays import cg_couple as cg_couple
from jaxmeta.representations.clebsch_gordan.arrays import (
    cg_tensor_product as cg_tensor_product,
)
from jaxmeta.representations.clebsch_gordan.arrays import cg_uncouple as cg_uncouple
from jaxmeta.representations.clebsch_gordan.cartesian import (
    cartesian_to_spherical as cartesian_to_spherical,
)
from jaxmeta.representations.clebsch_gordan.cartesian import (
    spherical_to_cartesian as spherical_to_cartesian,
)
from jaxmeta.representations.clebsch_gordan.coefficients import Coupling as Coupling
from jaxmeta.representations.clebsch_gordan.coefficients import (
    cg_coefficients as cg_coefficients,
)
from jaxmeta.representations.clebsch_gordan.coefficients import cg_coupling as cg_coupling
from jaxmeta.representations.clebsch_gordan.correlations import (
    DensityCorrelations as DensityCorrelations,
)
from jaxmeta.representations.clebsch_gordan.products import (
    ClebschGordanProduct as ClebschGordanProduct,
)
from jaxmeta.representations.clebsch_gordan.spectra import (
    equivariant_power_spectrum as equivariant_power_spectrum,
)
from jaxmeta.representations.clebsch_gordan.spectra import (
    equivariant_power_spectrum_by_pair as equivariant_power_spectrum_by_pair,
)
from jaxmeta.representations.clebsch_gordan.spectra import power_spectrum as power_spectrum
