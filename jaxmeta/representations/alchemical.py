"""Alchemical: many types of neighbours as mixtures of a few pseudo types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.gradients._destinations import Capacity, Into
from jaxmeta.core.labels._arguments import check_bool, check_list, check_whole
from jaxmeta.core.plans._compilable import Compilable
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose
from jaxmeta.nn._arguments import parameter_dtype, random_keys
from jaxmeta.operations._arguments import check_map
from jaxmeta.operations.dimensions import remove_dimension
from jaxmeta.operations.mapping import map_samples
from jaxmeta.operations.selection import slice as sliced


@final
class Alchemical(Compilable):
    r"""Mixes types of neighbours into a few pseudo types, by weights that can be learned.

    Spectra of many types have a block or a column for each pair of types. Of pseudo types
    there are few, whatever the number of types.

    Values: for pseudo type :math:`q`, :math:`\sum_a w_{aq} c_a` over the types :math:`a`
    of neighbours; rows that a block lacks are zero. Gradients: the same sums, exact.
    Derivatives go to the expansion and to the weights, also those of explicit gradients.

    A pytree: the weights are its leaf, the types are static.

    Arguments:
        weights: floating point numbers of shape (types, pseudo types).
        types: of neighbours, one for each row of the weights.

    Raises:
        InvalidError: for shapes that do not fit, and types given twice.
        InvalidTypeError: for weights that are no floating point numbers, and types that
            are no integers.

    Source: Willatt, Musil, Ceriotti, Phys. Chem. Chem. Phys. 20, 29661 (2018); Lopanitsyna,
    Fraux, Springer, De, Ceriotti, Phys. Rev. Mater. 7, 045802 (2023).

    Example:
        >>> from jaxmeta import TensorBlock
        >>> atoms, n = Labels(["system", "atom"], [[0, 0]]), Labels.range("n", 2)
        >>> rows = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 2.0]])
        >>> blocks = [TensorBlock(row, atoms, [], n) for row in rows]
        >>> keys = Labels(["center_type", "neighbor_type"], [[8, 1], [8, 8]])
        >>> mixing = Alchemical(jnp.array([[0.5], [3.0]]), types=[1, 8])
        >>> mixed = mixing(TensorMap(keys, blocks))
        >>> mixed.keys.values.tolist(), mixed[0].values.tolist()
        ([[8, 0]], [[0.5, 6.0]])
    """

    weights: Any
    types: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, weights: Any, types: Sequence[int]) -> None:
        self.weights, self.types = weights, _checked_types(types)
        dtype, shape = getattr(weights, "dtype", None), np.shape(weights)
        if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
            raise InvalidTypeError(
                compose(
                    "Alchemical: the weights are an array of floating point numbers.",
                    f"found {type(weights).__name__}, dtype {dtype}",
                )
            )
        if len(shape) != 2 or shape[0] != len(self.types) or 0 in shape:
            raise InvalidError(
                compose(
                    "Alchemical: the weights are of shape (types, pseudo types).",
                    f"found {shape}, and {len(self.types)} types",
                )
            )

    @classmethod
    def random(
        cls, types: Sequence[int], n_pseudo_types: int, *, key: Any, dtype: Any = None
    ) -> Alchemical:
        """Normal weights, with a variance of one by the number of pseudo types.

        Arguments:
            types: of neighbours.
            n_pseudo_types: how many pseudo types there are, one or more.
            key: of `jax.random`.
            dtype: of the weights; by default that of JAX.

        Raises:
            InvalidError, InvalidTypeError: as for weights and types that are given.
        """
        known = _checked_types(types)
        where = "Alchemical.random"
        number = check_whole(where, "n_pseudo_types", n_pseudo_types, 1)
        chosen = parameter_dtype(where, dtype)
        (own,) = random_keys(where, key, 1)
        normal = jax.random.normal(own, (len(known), number), chosen)
        return cls(normal / np.sqrt(number).astype(chosen), known)

    def __call__(
        self,
        expansion: TensorMap,
        *,
        to_keys: bool = True,
        into: Into | None = None,
        capacity: Capacity | None = None,
    ) -> TensorMap:
        """The expansion by pseudo types.

        Arguments:
            expansion: any map with keys ``neighbor_type`` and others.
            to_keys: whether pseudo types are keys, as types were; else they are the first
                of the properties, where power spectra need them.
            into: the samples of the result, where they are dynamic, as for
                `TensorMap.keys_to_properties`.
            capacity: room for samples and gradient rows, where they are dynamic.

        Returns:
            A map whose ``neighbor_type`` counts pseudo types from 0 on.

        Raises:
            MissingError: for keys without ``neighbor_type``, and types without weights.
            InvalidError: for blocks of one kind with different properties.
            InvalidTypeError: for what is no map, or has another dtype than the weights.
        """
        check_map("Alchemical", expansion)
        check_bool("Alchemical", "to_keys", to_keys)
        self._check_keys(expansion)
        wanted = Labels(_TYPE, np.array(self.types, np.int32)[:, None])
        moved = expansion.keys_to_properties(wanted, into=into, capacity=capacity)
        function = jax.tree_util.Partial(_mixed, jnp.asarray(self.weights))
        properties = [self._properties(block.properties) for block in moved.blocks()]
        mixed = map_samples(function, moved, properties) if len(moved) else moved
        return self._by_keys(mixed, expansion.keys.names) if to_keys else mixed

    def _properties(self, properties: Labels) -> Labels:
        """Pseudo types in front of the properties of one type."""
        n_types, n_pseudo = np.shape(self.weights)
        own = properties.values[: len(properties) // n_types, 1:]
        pseudo = np.repeat(np.arange(n_pseudo, dtype=np.int32), len(own))
        rows = np.column_stack([pseudo, np.tile(own, (n_pseudo, 1))])
        return Labels(properties.names, rows, assume_unique=True)

    def _by_keys(self, mixed: TensorMap, names: Sequence[str]) -> TensorMap:
        """Pseudo types as keys, at the place where types were."""
        n_pseudo = np.shape(self.weights)[1]
        place, own = list(names).index(_TYPE), np.asarray(mixed.keys.values)
        keys = np.repeat(own[:, : len(names) - 1], n_pseudo, axis=0)
        pseudo = np.tile(np.arange(n_pseudo, dtype=np.int32), len(own))
        table = np.insert(keys, place, pseudo, axis=1)
        parts = [_of_pseudo_type(mixed, number) for number in range(n_pseudo)]
        blocks = [part[row] for row in range(len(own)) for part in parts]
        return TensorMap(Labels(names, table), blocks)

    def _check_keys(self, expansion: TensorMap) -> None:
        names = expansion.keys.names
        if _TYPE not in names:
            raise MissingError(
                compose(
                    f"Alchemical: the keys have no dimension {_TYPE!r}.",
                    choices(_TYPE, names),
                )
            )
        found = np.unique(expansion.keys.column(_TYPE)).tolist()
        unknown = [each for each in found if each not in self.types]
        if unknown:
            raise MissingError(
                compose(
                    f"Alchemical: there are no weights for type {unknown[0]}.",
                    f"there are weights for the types {list(self.types)}",
                )
            )
        if len(expansion) and expansion.dtype != self.weights.dtype:
            raise InvalidTypeError(
                compose(
                    f"Alchemical: the weights are {self.weights.dtype}, the map is "
                    f"{expansion.dtype}.",
                    remedy="convert one of them on purpose.",
                )
            )


_TYPE = "neighbor_type"


def _mixed(weights: Any, array: Any) -> Any:
    """The array of one sample, (..., types of neighbours * others), by pseudo types."""
    parts = array.reshape(*array.shape[:-1], weights.shape[0], -1)
    mixed = jnp.einsum("...an,aq->...qn", parts, weights)
    return mixed.reshape(*array.shape[:-1], -1)


def _of_pseudo_type(mixed: TensorMap, number: int) -> TensorMap:
    one = sliced(mixed, "properties", Labels(_TYPE, [[number]]))
    return remove_dimension(one, "properties", _TYPE) if len(one) else one


def _checked_types(types: Any) -> tuple[int, ...]:
    found = check_list("Alchemical", "types are integers", types)
    for each in found:
        if isinstance(each, bool) or not isinstance(each, int | np.integer):
            raise InvalidTypeError(
                compose("Alchemical: types are integers.", f"found {each!r:.100}")
            )
    if len(set(found)) < max(len(found), 1):
        raise InvalidError(
            compose(
                "Alchemical: there is one type or more, and each is there once.",
                f"found {found}",
            )
        )
    return tuple(int(each) for each in found)
