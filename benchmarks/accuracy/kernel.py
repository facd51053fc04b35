"""Sparse Gaussian processes: energies are kernels with a few environments times weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import jaxmeta as jm
from benchmarks.accuracy.choices import Choice
from jaxmeta import Labels, TensorMap
from jaxmeta.learn import PolynomialKernel, SparseGPR, select_fps


PAIRS = Labels(
    ["neighbor_1_type", "neighbor_2_type"],
    [[1, 1], [1, 6], [1, 8], [6, 6], [6, 8], [8, 8]],
)


def by_atom(tensor: TensorMap) -> TensorMap:
    """Features of atoms, all pairs of types side by side."""
    types = tensor.keys.column("neighbor_1_type"), tensor.keys.column("neighbor_2_type")
    found = np.unique(np.stack(types, axis=1), axis=0)
    known = PAIRS.values if len(found) > 1 else found
    return tensor.keys_to_properties(Labels(PAIRS.names, known))


def farthest(
    soap: Any, systems: Sequence[Any], numbers: int | Mapping[Any, int], batch_size: int
) -> TensorMap:
    """The environments of some structures that are farthest from one another.

    Arguments:
        soap: what makes features of atoms.
        systems: the structures for training.
        numbers: how many environments for each type of atom.
        batch_size: structures at a time.
    """
    atoms = by_atom(soap.compute(systems, batch_size=batch_size))
    return select_fps(atoms, numbers).transform(atoms)


def kernels(
    soap: Any,
    systems: Sequence[Any],
    sparse: TensorMap,
    compared: Sequence[PolynomialKernel],
    gradients: Sequence[str],
    batch_size: int,
) -> TensorMap:
    """Kernels of structures with environments, a block for each exponent.

    Features have gradients for each pair of neighbours, kernels only for each atom: so
    features of few structures are there at a time.
    """
    keys = Labels("exponent", [[kernel.exponent] for kernel in compared])

    def with_sparse(part: TensorMap) -> TensorMap:
        atoms = by_atom(part)
        return TensorMap(keys, [kernel(atoms, sparse)[0] for kernel in compared])

    return soap.compute(
        systems, gradients=gradients, batch_size=batch_size, transform=with_sparse
    )


class ByKernel:
    """Sparse Gaussian processes from kernels that are there already.

    Arguments:
        K: kernels of structures, a block for each exponent.
        y: targets.
        sparse: the environments.
        normalised: whether the kernels are.
        atoms: numbers of atoms by which errors of energies are divided, or None.
        options: further arguments of `SparseGPR.fit_kernel`.
    """

    def __init__(
        self,
        K: TensorMap,
        y: TensorMap,
        sparse: TensorMap,
        normalised: bool,
        atoms: np.ndarray | None = None,
        **options: Any,
    ) -> None:
        self.y, self._sparse, self._atoms = y, sparse, atoms
        self._normalised, self._options = normalised, options
        self._kernels = {
            int(key["exponent"]): TensorMap(Labels.single(), [block])
            for key, block in K.items()
        }

    def sizes(self, of: Labels) -> np.ndarray | None:
        """The numbers of atoms of these systems."""
        return None if self._atoms is None else self._atoms[of.column("system")]

    def predicted(self, train: Labels, test: Labels, choice: Choice) -> TensorMap:
        """What a fit to some systems says of others."""
        K = self._kernels[choice.exponent]
        model = SparseGPR.fit_kernel(
            jm.slice(K, "samples", train),
            jm.slice(self.y, "samples", train),
            sparse=self._sparse,
            kernel=PolynomialKernel(choice.exponent, normalised=self._normalised),
            alpha=choice.alpha,
            sample_weight=choice.weights,
            sizes=self.sizes(train),
            **self._options,
        )
        return jm.dot(jm.slice(K, "samples", test), model.weights)
