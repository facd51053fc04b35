"""Composition: what the numbers of atoms of each type explain, a number for each type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.core.layouts._differences import block_name, check_same_block
from jaxmeta.core.layouts._precision import check_dtype, check_same_dtype, dtype_of
from jaxmeta.core.plans._compilable import Compilable
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, compose
from jaxmeta.learn._matching import Pair, check_capacities
from jaxmeta.learn._terms import Faults
from jaxmeta.learn.ridge._systems import check_features
from jaxmeta.learn.ridge.model import Ridge, weights_for
from jaxmeta.operations._arguments import check_map
from jaxmeta.operations.gradients import remove_gradients


def composition_of(types: Sequence[Any], *, dtype: Any = None) -> TensorMap:
    """The numbers of atoms of each type in each structure.

    Arguments:
        types: for each structure the types of its atoms, integers of shape (atoms,): for
            instance ``[atoms.numbers for atoms in frames]``.
        dtype: of the counts; by default the widest that JAX has.

    Returns:
        A map with one block: samples ``system``, properties ``center_type``, sorted.

    Raises:
        InvalidTypeError: for what is no list of integers, or no dtype.
        InvalidError: for arrays of another shape, or no structure at all.
        PrecisionError: for a dtype of 64 bits while JAX has 32.

    Example:
        >>> counts = composition_of([[8, 1, 1], [1, 1]])[0]
        >>> counts.properties["center_type"].tolist(), counts.values.tolist()
        ([1, 8], [[2.0, 1.0], [2.0, 0.0]])
    """
    where = "composition_of"
    found = [_types(each) for each in check_list(where, "types must be a list", types)]
    if not found:
        raise InvalidError(compose(f"{where}: there is no structure."))
    if dtype is None:
        dtype = jnp.asarray(0.0).dtype
    check_dtype(dtype_of(where, dtype), where)
    known = np.unique(np.concatenate(found))
    counts = np.stack([(each[:, None] == known[None, :]).sum(axis=0) for each in found])
    block = TensorBlock(
        jnp.asarray(counts.astype(dtype)),
        Labels.range("system", len(found)),
        [],
        Labels("center_type", known[:, None]),
    )
    return TensorMap(Labels.single(), [block])


def _types(given: Any) -> np.ndarray:
    try:
        array = np.asarray(given)
    except (TypeError, ValueError):
        array = np.asarray("")
    if array.dtype.kind not in "iu" and array.size:
        raise InvalidTypeError(
            compose(
                "composition_of: types must be integers.",
                f"found {given!r:.100}",
                remedy="for instance atomic numbers: atoms.numbers.",
            )
        )
    if array.ndim != 1:
        raise InvalidError(
            compose(
                "composition_of: types must be a list with an array for each structure.",
                f"found shape {array.shape} for one structure",
            )
        )
    return array.astype(np.int64)


class Composition(Compilable):
    r"""A baseline that is linear in the numbers of atoms: an offset for each type.

    `fit` makes one. Energies of molecules are dominated by those of free atoms: without
    them the rest is easier to learn, and exact for structures with more atoms. Values
    change by :math:`\sum_t c_{it} w_t`, with counts :math:`c`. Gradients do not change:
    moving atoms does not change how many there are.

    Also for features: without their average for each type they are centred.

    Arguments:
        weights: the offsets: samples are the properties of the target, properties the
            types.

    Example:
        >>> counts = composition_of([[8, 1, 1], [1, 1], [8, 8]])
        >>> energy = Labels("energy", [[0]])
        >>> values = jnp.array([[-4.0], [-1.0], [-6.0]])
        >>> block = TensorBlock(values, counts[0].samples, [], energy)
        >>> energies = TensorMap(Labels.single(), [block])
        >>> baseline = Composition.fit(counts, energies)
        >>> baseline.weights[0].values.round(6).tolist()
        [[-0.5, -3.0]]
        >>> float(abs(baseline.transform(energies, counts)[0].values).max().round(6))
        0.0
    """

    weights: TensorMap

    def __check_init__(self) -> None:
        check_map("Composition", self.weights)

    @classmethod
    def fit(
        cls,
        composition: TensorMap,
        y: TensorMap,
        *,
        alpha: float = 0.0,
        sample_weight: Any = None,
    ) -> Composition:
        """The offsets that are best in the sense of least squares, for each block of `y`.

        Where structures do not tell types apart, those of smallest norm. Types without a
        single atom are unknown afterwards. Gradients do not matter.

        Arguments:
            composition: counts, with the samples of `y`: one block whose properties are
                types, as of `composition_of`; or a block for each type with one property,
                as of featomic's ``AtomicComposition(per_system=True)``. It may have more
                samples.
            y: invariant targets, without components; what is NaN does not count.
            alpha: a penalty, as of `Ridge.fit`.
            sample_weight: for ``"values"``, as of `Ridge.fit`.

        Raises:
            InvalidError: for targets with components, a composition that is none, and as
                `Ridge.fit`.
            MissingError: for samples of `y` that the composition has not.
            NotEqualError: for samples with other names.
            InvalidTypeError: for dtypes that differ.
        """
        where = "Composition.fit"
        check_features(where, y, y)
        block = _counts(where, composition)
        counts = np.ones(len(block.properties), bool)
        if not isinstance(block.values, Tracer):
            counts = np.asarray(block.values).any(axis=0)
        types = Labels(block.properties.names, block.properties.values[counts])
        X = _features(where, block, y, types)
        bare = remove_gradients(y)
        model = Ridge.fit(X, bare, alpha=alpha, sample_weight=sample_weight)
        return cls(model.weights)

    def transform(self, y: TensorMap, composition: TensorMap) -> TensorMap:
        """The map without the baseline; gradients stay as they are.

        Arguments:
            y: a map with keys and properties that were fitted.
            composition: counts, with the samples of `y`, as for `fit`.

        Raises:
            MissingError: for atoms of a type that was not fitted, for such a key, and for
                samples that the composition has not.
            NotEqualError: for other names of samples, or other properties.
        """
        return self._shifted("Composition.transform", y, composition, -1.0)

    def inverse_transform(self, y: TensorMap, composition: TensorMap) -> TensorMap:
        """The map with the baseline; arguments and errors are those of `transform`."""
        return self._shifted("Composition.inverse_transform", y, composition, 1.0)

    def _shifted(
        self, where: str, y: TensorMap, composition: TensorMap, sign: float
    ) -> TensorMap:
        check_features(where, y, self.weights)
        weights = weights_for(where, self.weights, y)
        types = weights[0].properties if len(weights) else Labels.empty("_")
        X = _features(where, _counts(where, composition), y, types)
        blocks = []
        for index, (block, x, w) in enumerate(zip(y, X, weights, strict=True)):
            _check_targets(where, block_name(y.keys, index), block, w)
            shift = sign * (jnp.asarray(x.values) @ jnp.asarray(w.values).T)
            blocks.append(block.with_values(jnp.asarray(block.values) + shift))
        return TensorMap(y.keys, blocks, y.info())


def _check_targets(where: str, name: str, block: TensorBlock, w: TensorBlock) -> None:
    if block.properties is not w.samples:
        raise InvalidError(
            compose(
                f"{where}: the properties of {name} are not those that were fitted.",
                f"it has {len(block.properties)} properties, fitted were {w.shape[0]}",
            )
        )


def _counts(where: str, composition: TensorMap) -> TensorBlock:
    """Counts as one block whose properties are types."""
    check_features(where, composition, composition)
    if len(composition) != 1 and any(len(b.properties) != 1 for b in composition):
        raise InvalidError(
            compose(
                f"{where}: a composition is one block, or one property for each key.",
                f"found {len(composition)} blocks",
                remedy="composition_of() makes one.",
            )
        )
    if composition.keys is Labels.single():
        block = composition[0]
    else:
        block = remove_gradients(composition).keys_to_properties(composition.keys.names)[0]
        names = composition.keys.names
        types = np.stack([block.properties[name] for name in names], axis=1)
        labels = Labels(names, types)
        block = TensorBlock(block.values, block.samples, block.components, labels)
    if block.components:
        raise InvalidError(compose(f"{where}: a composition has no components."))
    return block


def _features(where: str, counts: TensorBlock, y: TensorMap, types: Labels) -> TensorMap:
    """The counts of these types, with the samples of each block of y."""
    check_same_dtype(where, counts, y, ("the composition", "y"))
    columns = _columns(where, counts, types)
    blocks = []
    for index, block in enumerate(y):
        name = block_name(y.keys, index)
        if block.components:
            raise InvalidError(
                compose(
                    f"{where}: {name} has components: offsets are for invariants.",
                    remedy="drop_blocks() the others.",
                )
            )
        rows = _rows(where, name, counts, columns, block)
        blocks.append(TensorBlock(rows, block.samples, [], types))
    return TensorMap(y.keys, blocks)


def _columns(where: str, counts: TensorBlock, types: Labels) -> Any:
    """The columns of these types; zero for what the counts do not have."""
    own, values = counts.properties, jnp.asarray(counts.values)
    if own.names != types.names:
        raise InvalidError(
            compose(
                f"{where}: types have other names than those fitted.",
                f"the composition has {own.names}, fitted were {types.names}",
            )
        )
    unknown = types._index.find(own.values) < 0
    if isinstance(values, Tracer):
        found = unknown
    else:
        found = unknown & np.asarray(values).any(axis=0)
    if where != "Composition.fit" and found.any():
        first = own.entry(int(np.flatnonzero(found)[0])).print()
        raise MissingError(
            compose(
                f"{where}: there are atoms of a type that was not fitted: {first}.",
                f"fitted were {', '.join(each.print() for each in types)}",
                remedy="fit with structures that have such atoms.",
            )
        )
    places = own._index.find(types.values)
    return jnp.where(places[None, :] >= 0, values[:, np.maximum(places, 0)], 0.0)


def _rows(
    where: str, name: str, counts: TensorBlock, columns: Any, block: TensorBlock
) -> Any:
    """The rows of the counts for the samples of a block."""
    own, wanted = counts.samples, block.samples
    if isinstance(own, DynamicLabels) or isinstance(wanted, DynamicLabels):
        return _same_rows(where, f"{name} (composition)", counts, columns, block)
    if own.names != wanted.names:
        raise InvalidError(
            compose(
                f"{where}: the samples of the composition and of {name} have other names.",
                f"the composition has {own.names}, the block has {wanted.names}",
                remedy="sum_over_samples() the composition, or rename_dimension() it.",
            )
        )
    places = own._index.find(wanted.values)
    if (places < 0).any():
        first = wanted.entry(int(np.flatnonzero(places < 0)[0])).print()
        raise MissingError(
            compose(f"{where}: the composition has no sample {first} of {name}.")
        )
    return columns[places]


def _same_rows(
    where: str, name: str, counts: TensorBlock, columns: Any, block: TensorBlock
) -> Any:
    """Of dynamic samples, which can not be looked up but have to be the same."""
    check_same_block(
        where, name, counts._layout, block._layout, ("samples",), gradients=False
    )
    check_capacities(where, name, counts, block)
    faults = Faults(where)
    faults.compare_all([[Pair(name, 0, counts, block)]])
    return faults.guard(columns)
