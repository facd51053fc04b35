"""ZBL: how nuclei repel each other at short distances, screened by their electrons."""

from __future__ import annotations

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.neighbors.options import check_length
from jaxmeta.errors import InvalidError, compose
from jaxmeta.potentials._pairs import near
from jaxmeta.potentials._potential import Potential, known_kinds


# The universal screening function, as a sum of exponentials; lengths in angstrom.
_FACTORS = (0.02817, 0.28022, 0.50986, 0.18175)
_RATES = (0.20162, 0.40290, 0.94229, 3.19980)
_LENGTH, _POWER = 0.46850, 0.23
_COULOMB = 14.399645468667815  # e^2 / (4 pi epsilon_0) in eV angstrom, CODATA 2022


@final
class ZBL(Potential):
    r"""The repulsion of nuclei, screened by their electrons, without any parameter.

    Values: the sum over pairs of

    .. math:: \frac{e^2}{4 \pi \varepsilon_0} \frac{Z_i Z_j}{r} \phi(r / a) + S(r),
        \quad a = \frac{0.4685 \text{ angstrom}}{Z_i^{0.23} + Z_j^{0.23}}

    in eV, for positions in angstrom, with the universal screening function :math:`\phi`, a
    sum of four exponentials. Types are atomic numbers. An atom has half the energy of each
    of its pairs. :math:`S` is constant up to the inner cutoff, and a polynomial of fourth
    degree from there on, by which energy, force and curvature vanish at the cutoff.

    Gradients: exact, also of second order, which is continuous. Two nuclei at one place
    have an infinite energy and no forces: they are NaN.

    Arguments:
        cutoff: where the repulsion ends, in angstrom.
        inner: from where on it is switched, in angstrom, below the cutoff.

    Raises:
        InvalidError: for lengths out of range.
        InvalidTypeError: for what is no number.

    Source: Ziegler, Biersack, Littmark, The Stopping and Range of Ions in Matter (1985);
    the switching is that of LAMMPS (https://docs.lammps.org/pair_zbl.html).

    Example:
        >>> from jaxmeta.atomistic import System, to_batch
        >>> nuclei = ZBL(cutoff=2.0, inner=1.5)
        >>> dimer = System([[0.0, 0, 0], [0, 0, 1.0]], [14, 14])
        >>> batch = to_batch(dimer, nuclei.requested_neighbor_lists())
        >>> round(float(nuclei(batch)[0].values[0, 0]), 6)
        46.668415
    """

    cutoff: float = eqx.field(static=True)
    inner: float = eqx.field(static=True)

    def __init__(self, cutoff: float, inner: float) -> None:
        self.cutoff = check_length("ZBL", "cutoff", cutoff)
        self.inner = check_length("ZBL", "inner", inner)
        if not self.inner < self.cutoff:
            raise InvalidError(
                compose(
                    "ZBL: switching begins below the cutoff.",
                    f"found inner {inner}, cutoff {cutoff}",
                )
            )

    @property
    def cutoff_radius(self) -> float:
        """How far an atom sees, in angstrom."""
        return self.cutoff

    def atomic_energies(self, batch: Batch) -> Any:
        """Half the energies of all pairs of each atom, shape (atoms,)."""
        types = tuple(sorted(batch.centers))
        kinds = known_kinds("ZBL", batch, types)
        pairs = near(batch, self.cutoff)
        dtype = pairs.squares.dtype
        charges, lengths, shifts = (
            jnp.asarray(table).astype(dtype)[pairs.taken(kinds)]
            for table in self._of(types)
        )
        distances = jnp.sqrt(pairs.squares)
        energies = _repulsion(distances, charges, lengths)
        energies += self._switch(distances, jnp.moveaxis(shifts, -1, 0))
        return pairs.halves(energies, batch.n_atoms)

    def _of(self, types: tuple[int, ...]) -> tuple[Any, Any, Any]:
        """For pairs of types: charges, lengths, and what switching makes of them."""
        with jax.ensure_compile_time_eval():
            z = jnp.asarray(np.array(types, float))
            charges = _COULOMB * z[:, None] * z[None, :]
            lengths = _LENGTH / (z[:, None] ** _POWER + z[None, :] ** _POWER)
            end = jnp.full(charges.shape, self.cutoff)
            orders = [_repulsion]
            for _ in range(2):
                orders.append(_derivative(orders[-1]))
            found = [each(end, charges, lengths) for each in orders]
        return charges, lengths, jnp.stack(found, axis=-1)

    def _switch(self, distances: Any, at_end: Any) -> Any:
        """The polynomial by which all that there is at the cutoff vanishes there."""
        value, slope, curvature = at_end
        width = self.cutoff - self.inner
        third = (width * curvature - 3 * slope) / (3 * width**2)
        fourth = (2 * slope - width * curvature) / (4 * width**3)
        constant = -value + width * slope / 2 - width**2 * curvature / 12
        beyond = jnp.maximum(distances - self.inner, jnp.zeros((), distances.dtype))
        return constant + beyond**3 * (third + fourth * beyond)


def _repulsion(distances: Any, charges: Any, lengths: Any) -> Any:
    scaled = distances / lengths
    terms = [f * jnp.exp(-r * scaled) for f, r in zip(_FACTORS, _RATES, strict=True)]
    return charges / distances * sum(terms[1:], start=terms[0])


def _derivative(function: Any) -> Any:
    def of(distances: Any, *others: Any) -> Any:
        return jax.jvp(
            lambda r: function(r, *others), (distances,), (jnp.ones_like(distances),)
        )[1]

    return of
