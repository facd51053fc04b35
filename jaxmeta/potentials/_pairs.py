"""Sums over pairs of atoms within a cutoff."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxmeta.atomistic.batches import Batch


class Near(NamedTuple):
    """The pairs of a batch that are within a cutoff, and what they need.

    Arguments:
        first: int32 of shape (pairs,): rows of the first atoms.
        second: the same of the second ones.
        squares: their squared distances; those of the cutoff for pairs that are not within.
        within: which pairs are, shape (pairs,).
    """

    first: Any
    second: Any
    squares: Any
    within: Any

    def taken(self, of_atoms: Any) -> tuple[Any, Any]:
        """What an array (atoms,) has for the first and for the second atoms."""
        array = jnp.asarray(of_atoms)
        first = array.at[self.first].get(mode="fill", fill_value=0)
        return first, array.at[self.second].get(mode="fill", fill_value=0)

    def halves(self, energies: Any, n_atoms: Any) -> Any:
        """Half the energies of the pairs of each first atom: shape (atoms,)."""
        none = jnp.zeros((), energies.dtype)
        half = 0.5 * jnp.where(self.within, energies, none)
        sums = jnp.zeros(n_atoms, energies.dtype)
        return sums.at[self.first].add(half, mode="drop", indices_are_sorted=True)


def near(batch: Batch, cutoff: float) -> Near:
    """The pairs within a cutoff: each from both sides.

    Raises:
        MissingError: where the batch has no list of pairs that reaches so far.
    """
    pairs = batch.pairs_within(cutoff)
    squares = jnp.sum(batch.vectors(pairs) ** 2, axis=1)
    within = squares < cutoff**2
    # Others are at the cutoff, where all is finite and derivatives are masked.
    edge = jnp.asarray(cutoff**2, squares.dtype)
    first, second = jnp.asarray(pairs.first), jnp.asarray(pairs.second)
    return Near(first, second, jnp.where(within, squares, edge), within)
