"""Dimensions of labels: inserted, permuted, removed, renamed, given other values.

Arrays are never touched: only what they are labelled with changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from jaxmeta.core import TensorMap
from jaxmeta.core.layouts._layout import BlockLayout, Layout
from jaxmeta.core.plans._plans import plan_for
from jaxmeta.core.plans._results import bare, run
from jaxmeta.errors import InvalidError, compose
from jaxmeta.operations._arguments import check_choice, check_map
from jaxmeta.operations._changes import (
    Change,
    insertion,
    permutation,
    removal,
    renaming,
    update,
)
from jaxmeta.operations._columns import Columns, Values, hashable
from jaxmeta.operations._relabelling import plan


AXES = ("keys", "samples", "components", "properties")

OF_COMPONENTS = ("rename_dimension", "update_dimension")

# From the names of an axis, and the values given, to what becomes of it.
Make: TypeAlias = Callable[[tuple[str, ...], Columns], Change]


def insert_dimension(
    tensor: TensorMap, axis: str, index: int, name: str, values: Values
) -> TensorMap:
    """Add a dimension to the keys, or to the samples or properties of every block.

    Values stay as they are. Gradients keep their samples; properties are those of the
    values at every depth.

    Arguments:
        tensor: any map; dynamic samples get the same integer in every row.
        axis: ``"keys"``, ``"samples"`` or ``"properties"``.
        index: the position before which the dimension goes, from 0 to the number of
            dimensions; negative positions count from the end.
        name: a name that the axis does not have yet.
        values: one integer for all entries; one array for the axis, the same in every
            block; or a list of arrays, one for each block.

    Raises:
        InvalidError: for components, which have one name each; a name that is there
            already; another number of values than entries, or values beyond int32.
        InvalidTypeError: for values that are not integers, or that JAX traces.
        OutOfRangeError: for a position that is not there.
        DynamicSamplesError: for arrays as values of dynamic samples.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("atom", 2), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> insert_dimension(tensor, "samples", 0, "system", 7)[0].samples.values.tolist()
        [[7, 0], [7, 1]]
    """
    operation = "insert_dimension"

    def make(old: tuple[str, ...], columns: Columns) -> Change:
        return insertion(operation, axis, old, index, name, columns)

    return _changed(operation, tensor, axis, make, values)


def append_dimension(tensor: TensorMap, axis: str, name: str, values: Values) -> TensorMap:
    """Add a dimension after the last one: `insert_dimension` without an index.

    Values stay as they are. Gradients keep their samples; properties are those of the
    values at every depth.

    Arguments:
        tensor: any map; dynamic samples get the same integer in every row.
        axis: ``"keys"``, ``"samples"`` or ``"properties"``.
        name: a name that the axis does not have yet.
        values: as for `insert_dimension`.

    Raises:
        InvalidError, InvalidTypeError, DynamicSamplesError: as for `insert_dimension`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.range("center", 2), [block, block])
        >>> append_dimension(tensor, "keys", "spin", [1, -1]).keys.values.tolist()
        [[0, 1], [1, -1]]
    """
    operation = "append_dimension"

    def make(old: tuple[str, ...], columns: Columns) -> Change:
        return insertion(operation, axis, old, None, name, columns)

    return _changed(operation, tensor, axis, make, values)


def permute_dimensions(
    tensor: TensorMap, axis: str, dimensions_indexes: Sequence[int] | np.ndarray
) -> TensorMap:
    """Put the dimensions of the keys, samples or properties in another order.

    Values stay as they are. Gradients keep their samples; properties are those of the
    values at every depth.

    Arguments:
        tensor: any map, with static or dynamic samples.
        axis: ``"keys"``, ``"samples"`` or ``"properties"``.
        dimensions_indexes: the positions of all dimensions, in the new order.

    Raises:
        InvalidError: for components, and for positions that are not all, once each.
        InvalidTypeError: for positions that are not integers.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> n = Labels(["n", "l"], [[0, 1]])
        >>> block = TensorBlock(jnp.ones((2, 1)), Labels.range("s", 2), [], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> permute_dimensions(tensor, "properties", [1, 0]).property_names
        ['l', 'n']
    """
    operation = "permute_dimensions"

    def make(old: tuple[str, ...], _: Columns) -> Change:
        return permutation(operation, axis, old, dimensions_indexes)

    return _changed(operation, tensor, axis, make)


def remove_dimension(tensor: TensorMap, axis: str, name: str) -> TensorMap:
    """Take a dimension from the keys, or from the samples or properties of every block.

    Values stay as they are. Gradients keep their samples; properties are those of the
    values at every depth.

    Arguments:
        tensor: any map; its samples must be static if they are to change.
        axis: ``"keys"``, ``"samples"`` or ``"properties"``.
        name: the dimension that goes. What is left must still tell all entries apart.

    Raises:
        InvalidError: for components, for the only dimension, and where entries would
            become equal.
        MissingError: for a name that is not there.
        DynamicSamplesError: for dynamic samples.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> samples = Labels(["system", "atom"], [[0, 5], [0, 2]])
        >>> block = TensorBlock(jnp.ones((2, 1)), samples, [], Labels.range("n", 1))
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> remove_dimension(tensor, "samples", "system")[0].samples.values.tolist()
        [[5], [2]]
    """
    operation = "remove_dimension"

    def make(old: tuple[str, ...], _: Columns) -> Change:
        return removal(operation, axis, old, name)

    return _changed(operation, tensor, axis, make)


def rename_dimension(tensor: TensorMap, axis: str, old: str, new: str) -> TensorMap:
    """Give a dimension of the keys, samples, components or properties another name.

    Values stay as they are. Gradients follow at every depth: in their properties, in their
    components (those that only they have can be renamed as well), and in their samples,
    where a dimension after the first, ``sample``, has the old name.

    Arguments:
        tensor: any map, with static or dynamic samples.
        axis: ``"keys"``, ``"samples"``, ``"components"`` or ``"properties"``.
        old: the name that goes.
        new: the name that comes.

    Raises:
        MissingError: for a name that is not there.
        InvalidError: for a new name that is there already, or is no name.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> m = Labels("m", [[-1], [0], [1]])
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3, 1)), Labels.range("s", 2), [m], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> rename_dimension(tensor, "components", "m", "o3_mu").component_names
        ['o3_mu']
    """
    operation = "rename_dimension"

    def make(names: tuple[str, ...], _: Columns) -> Change:
        return renaming(operation, axis, names, old, new)

    return _changed(operation, tensor, axis, make)


def update_dimension(tensor: TensorMap, axis: str, name: str, values: Values) -> TensorMap:
    """Give a dimension of the keys, samples, components or properties other values.

    Values stay as they are, and so does the order of the rows: labels alone change.
    Gradients keep their samples; properties and components are those of the values at
    every depth. Components that only a gradient has can be given other values as well.

    Arguments:
        tensor: any map; its samples must be static if they are to change.
        axis: ``"keys"``, ``"samples"``, ``"components"`` or ``"properties"``.
        name: a dimension that is there.
        values: one integer for all entries; one array for the axis, the same in every
            block; or a list of arrays, one for each block.

    Raises:
        MissingError: for a name that is not there.
        InvalidError: where entries would become equal, for another number of values than
            entries, or values beyond int32.
        InvalidTypeError: for values that are not integers, or that JAX traces.
        DynamicSamplesError: for dynamic samples.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("system", 2), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> update_dimension(tensor, "samples", "system", [40, 41])[0].samples["system"]
        array([40, 41], dtype=int32)
    """
    operation = "update_dimension"

    def make(names: tuple[str, ...], columns: Columns) -> Change:
        return update(operation, axis, names, name, columns)

    return _changed(operation, tensor, axis, make, values)


def _changed(
    operation: str, tensor: TensorMap, axis: str, make: Make, values: Values = 0
) -> TensorMap:
    check_map(operation, tensor)
    check_choice(operation, "axis", axis, AXES)
    if axis == "components" and operation not in OF_COMPONENTS:
        raise InvalidError(
            compose(
                f"{operation}: a component has exactly one dimension.",
                f"the axis can be {', '.join(a for a in AXES if a != axis)}",
                remedy="rename_dimension() and update_dimension() change components; "
                "tensor.components_to_properties() makes dimensions of them.",
            )
        )
    if axis != "keys" and not len(tensor):
        return tensor
    own = bare(tensor._layout)
    columns = hashable(operation, values, None if axis == "keys" else len(tensor))
    return run(plan_for(own, plan, make(_names(own, axis), columns)), tensor)


def _names(own: Layout, axis: str) -> tuple[str, ...]:
    """The names of an axis, which are the same in all blocks."""
    if axis == "keys":
        return tuple(own.keys.names)
    first = own.blocks[0]
    if axis == "samples":
        return first.sample_names
    if axis == "properties":
        return tuple(first.properties.names)
    return tuple(dict.fromkeys(_component_names(first)))


def _component_names(part: BlockLayout) -> list[str]:
    """Those of the block, then those that its gradients have."""
    names = [component.names[0] for component in part.components]
    for _, gradient in part.gradients:
        names += _component_names(gradient)
    return names
