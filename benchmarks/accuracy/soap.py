"""The power spectra that potentials are made of."""

from __future__ import annotations

from jaxmeta.representations import SoapPowerSpectrum


def soap(
    radius: float, width: float, decay: float | None, angular: int = 6, radial: int = 6
) -> SoapPowerSpectrum:
    """A power spectrum.

    Arguments:
        radius: of the cutoff, in angstrom.
        width: of the density of each neighbour, in angstrom.
        decay: the exponent by which neighbours beyond two angstrom count less, or None.
        angular: the largest angular momentum.
        radial: the largest number of a radial function, counted from zero.
    """
    density: dict[str, object] = {"type": "Gaussian", "width": width}
    if decay is not None:
        scaling = {"type": "Willatt2018", "exponent": decay, "rate": 1.0, "scale": 2.0}
        density["scaling"] = scaling
    return SoapPowerSpectrum(
        cutoff={"radius": radius, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        density=density,
        basis={
            "type": "TensorProduct",
            "max_angular": angular,
            "radial": {"type": "Gto", "max_radial": radial},
        },
    )
