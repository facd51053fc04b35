"""LennardJones: attraction and repulsion of pairs, by type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.neighbors.options import check_length
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.potentials._pairs import near
from jaxmeta.potentials._potential import Potential, known_kinds


@final
class LennardJones(Potential):
    r"""Pairs with a minimum: :math:`4 \epsilon [(\sigma/r)^{12} - (\sigma/r)^6]`.

    Values: the sum over all pairs within the cutoff; an atom has half the energy of each of
    its pairs. Without an onset the energy of a pair is shifted to zero at the cutoff, where
    its force jumps. With one it is multiplied by a function that goes from one at the onset
    :math:`r_o` to zero at the cutoff :math:`r_c`, with continuous forces,

    .. math:: (r_c^2 - r^2)^2 (r_c^2 + 2 r^2 - 3 r_o^2) / (r_c^2 - r_o^2)^3.

    Gradients: exact, with respect to positions, strain, and the parameters. Two atoms at
    one place have an infinite energy and no forces: they are NaN.

    Arguments:
        epsilon: depth by type, or by pair of types: ``{18: 0.01, (10, 18): 0.006}``. Pairs
            that are not named have :math:`\sqrt{\epsilon_a \epsilon_b}`.
        sigma: where the energy is zero, in the same way; pairs that are not named have
            :math:`(\sigma_a + \sigma_b) / 2` (the rules of Lorentz and Berthelot).
        cutoff: in the unit of the positions.
        onset: where switching begins, below the cutoff; None to shift.

    Raises:
        InvalidError: for a sigma that is not positive, an epsilon that is negative, types
            of one and not of the other, lengths out of range, and no types.
        InvalidTypeError: for what are no numbers by type.

    Source: the forms of `ase.calculators.lj`, whose results these are.

    Example:
        >>> from jaxmeta.atomistic import System, to_batch
        >>> argon = LennardJones({18: 0.0104}, {18: 3.4}, cutoff=8.5)
        >>> dimer = System([[0.0, 0, 0], [0, 0, 3.4]], [18, 18])
        >>> batch = to_batch(dimer, argon.requested_neighbor_lists())
        >>> round(float(argon(batch)[0].values[0, 0]), 8)  # what it is shifted by
        0.0001697
    """

    epsilon: Any
    sigma: Any
    types: tuple[int, ...] = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    onset: float | None = eqx.field(static=True)

    def __init__(
        self,
        epsilon: Mapping[Any, float],
        sigma: Mapping[Any, float],
        cutoff: float,
        *,
        onset: float | None = None,
    ) -> None:
        self.types = _types(epsilon, sigma)
        self.epsilon = _table("epsilon", epsilon, self.types, 0.0)
        self.sigma = _table("sigma", sigma, self.types, np.nextafter(0, 1))
        self.cutoff = check_length("LennardJones", "cutoff", cutoff)
        self.onset = None if onset is None else _checked_onset(onset, self.cutoff)

    @property
    def cutoff_radius(self) -> float:
        """How far an atom sees, in the unit of the positions."""
        return self.cutoff

    def atomic_energies(self, batch: Batch) -> Any:
        """Half the energies of all pairs of each atom, shape (atoms,)."""
        kinds = known_kinds("LennardJones", batch, self.types)
        pairs = near(batch, self.cutoff)
        dtype = pairs.squares.dtype
        types = pairs.taken(kinds)
        depths = 4 * jnp.asarray(self.epsilon).astype(dtype)[types]
        sixths = jnp.asarray(self.sigma).astype(dtype)[types] ** 6
        energies = depths * _well(sixths / pairs.squares**3)
        if self.onset is None:
            energies -= depths * _well(sixths / self.cutoff**6)
        else:
            energies *= _switch(pairs.squares, self.cutoff**2, self.onset**2)
        return pairs.halves(energies, batch.n_atoms)


def _well(sixth: Any) -> Any:
    return sixth * (sixth - 1)


def _switch(squares: Any, end: float, begin: float) -> Any:
    inner = (end - squares) ** 2 * (end + 2 * squares - 3 * begin) / (end - begin) ** 3
    return jnp.where(squares < begin, jnp.ones_like(squares), inner)


def _types(epsilon: Any, sigma: Any) -> tuple[int, ...]:
    named: list[set[int]] = []
    for name, given in (("epsilon", epsilon), ("sigma", sigma)):
        if not isinstance(given, Mapping):
            raise InvalidTypeError(
                compose(
                    f"LennardJones: {name} are numbers by type.",
                    f"found {given!r:.100}",
                    remedy=f"write {name}={{18: ...}}.",
                )
            )
        named.append({int(each) for each in given if isinstance(each, int | np.integer)})
        pairs = [each for each in given if isinstance(each, tuple) and len(each) == 2]
        odd = [k for k in given if k not in pairs and k not in named[-1]]
        odd += [each for each in pairs if not set(each) <= named[-1]]
        if odd:
            raise InvalidError(
                compose(
                    f"LennardJones: {name} are given by type, or by two of these types.",
                    f"found {odd[0]!r:.100}; the types are {sorted(named[-1])}",
                )
            )
    if named[0] != named[1] or not named[0]:
        raise InvalidError(
            compose(
                "LennardJones: each type has an epsilon and a sigma.",
                f"epsilon has the types {sorted(named[0])}, sigma {sorted(named[1])}",
            )
        )
    return tuple(sorted(int(each) for each in named[0]))


def _table(
    name: str, given: Mapping[Any, Any], types: tuple[int, ...], least: float
) -> Any:
    """Numbers for all pairs of types, in the widest precision that JAX has."""
    table = np.empty((len(types), len(types)))
    for i, a in enumerate(types):
        for j, b in enumerate(types):
            found = [given[key] for key in ((a, b), (b, a)) if key in given]
            own = [_number(name, given[key], least) for key in (a, b)]
            mixed = math.sqrt(own[0] * own[1]) if name == "epsilon" else sum(own) / 2
            table[i, j] = _number(name, found[0], least) if found and a != b else mixed
            if len(set(found)) > 1 or (found and a == b and found[0] != own[0]):
                raise InvalidError(
                    compose(f"LennardJones: {name} of {(a, b)} is given twice.")
                )
    return jnp.asarray(table)


def _number(name: str, given: Any, least: float) -> float:
    if not isinstance(given, int | float | np.number) or isinstance(given, bool):
        raise InvalidTypeError(
            compose(f"LennardJones: {name} is a number.", f"found {given!r:.100}")
        )
    if not least <= given < math.inf:
        at_least = "positive" if least else "not negative"
        raise InvalidError(
            compose(f"LennardJones: {name} is {at_least} and finite.", f"found {given}")
        )
    return float(given)


def _checked_onset(given: Any, cutoff: float) -> float:
    onset = check_length("LennardJones", "onset", given)
    if not onset < cutoff:
        raise InvalidError(
            compose(
                "LennardJones: the onset is below the cutoff.",
                f"found onset {onset}, cutoff {cutoff}",
            )
        )
    return onset
