"""Conversion: a block from an array, an array from labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import DynamicLabels, Labels, TensorBlock
from jaxmeta.core.labels._names import check_dimensions, dimension_names
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    compose,
)


def block_from_array(
    array: Any,
    sample_names: str | Sequence[str] | None = None,
    component_names: str | Sequence[str] | None = None,
    property_names: str | Sequence[str] | None = None,
) -> TensorBlock:
    """A block of an array, with positions for labels.

    Values: the array itself, of JAX or numpy; traced arrays too. Where axes are grouped it
    is reshaped. There are no gradients.

    Arguments:
        array: with two axes or more.
        sample_names: as many names as leading axes enumerate the samples, which count
            through all their positions; ``"sample"`` by default.
        component_names: names of the axes in between; ``"component_1"``,
            ``"component_2"``, ... by default.
        property_names: as many names as trailing axes enumerate the properties;
            ``"property"`` by default.

    Raises:
        InvalidTypeError: for what is no array, and for names that are no strings.
        InvalidError: for another number of names than axes, and for names that are none.

    Example:
        >>> import numpy as np
        >>> block = block_from_array(np.ones((2, 3, 5, 4)), ["system", "atom"])
        >>> block.shape, block.samples.names, block.components[0].names
        ((6, 5, 4), ['system', 'atom'], ['component_1'])
    """
    operation = "block_from_array"
    if not isinstance(array, np.ndarray | jax.Array | jax.ShapeDtypeStruct):
        raise InvalidTypeError(
            compose(
                f"{operation}: the array must be one of JAX or numpy.",
                f"found {type(array).__module__}.{type(array).__qualname__}",
                remedy="convert it first, for instance with jnp.asarray(...) or np.asarray"
                "(...).",
            )
        )
    shape = tuple(array.shape)
    samples, components, properties = _axis_names(
        shape, sample_names, component_names, property_names
    )
    inner, last = len(samples), len(shape) - len(properties)
    middle = shape[inner:last]
    values = _grouped(array, (math.prod(shape[:inner]), *middle, math.prod(shape[last:])))
    return TensorBlock(
        values,
        _positions(samples, shape[:inner]),
        [Labels.range(n, size) for n, size in zip(components, middle, strict=True)],
        _positions(properties, shape[last:]),
    )


def _axis_names(
    shape: tuple[int, ...], samples: Any, components: Any, properties: Any
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    operation = "block_from_array"
    first = dimension_names("sample" if samples is None else samples, operation)
    last = dimension_names("property" if properties is None else properties, operation)
    between = len(shape) - len(first) - len(last)
    if components is None:
        components = [f"component_{i + 1}" for i in range(between)]
    middle = dimension_names(components, operation)
    if not first or not last or len(middle) != between:
        names = [f"samples {list(first)}", f"components {list(middle)}"]
        raise InvalidError(
            compose(
                f"{operation}: the names do not fit the axes of the array.",
                f"the array has shape {shape}, that is {len(shape)} axes",
                f"the names are {', '.join(names)}, properties {list(last)}",
                remedy="every axis needs a name, and there are samples and properties at "
                "least; array.reshape(-1, 1) makes two axes of one.",
            )
        )
    return first, middle, last


def _grouped(array: Any, shape: tuple[int, ...]) -> Any:
    if tuple(array.shape) == shape:
        return array
    if isinstance(array, jax.ShapeDtypeStruct):
        return jax.eval_shape(partial(jnp.reshape, shape=shape), array)
    return array.reshape(shape)


def _positions(names: tuple[str, ...], shape: tuple[int, ...]) -> Labels:
    """All positions of these axes, the last one counting fastest."""
    if len(names) == 1:
        return Labels.range(names[0], shape[0])
    rows = np.indices(shape, np.int32).reshape(len(names), -1).T
    return Labels(names, rows, assume_unique=True)


def one_hot(labels: Labels, dimension: Labels) -> jax.Array:
    """Which of several values one dimension of each entry has, as rows of 0 and a 1.

    Values: 1 in the column of the entry's own value, 0 elsewhere. They are made of labels,
    which are static: nothing is differentiated, and there are no gradients.

    Arguments:
        labels: with the name of `dimension` among theirs.
        dimension: one name, and all values that it can have.

    Returns:
        A JAX array of shape ``(len(labels), len(dimension))``, int32 as labels are.

    Raises:
        InvalidTypeError: for what is no `Labels`.
        InvalidError: for a `dimension` of several names.
        MissingError: when the labels lack the name, or `dimension` one of their values.
        DynamicSamplesError: for dynamic labels, whose values may be traced.

    Example:
        >>> atoms = Labels(["atom", "type"], [[0, 8], [1, 1], [2, 1]])
        >>> one_hot(atoms, Labels("type", [[1], [6], [8]])).tolist()
        [[0, 0, 1], [1, 0, 0], [1, 0, 0]]
    """
    _check_labels(labels, dimension)
    name = dimension.names[0]
    found = dimension._index.find(labels.column(name)[:, None])
    absent = np.flatnonzero(found < 0)
    if absent.size:
        row = int(absent[0])
        value = int(labels.column(name)[row])
        raise MissingError(
            compose(
                f"one_hot: the dimension has no entry {name}={value}.",
                f"row {row} of the labels has it: {labels.entry(row).print()}",
                f"the dimension has {len(dimension)} entries; {absent.size} of "
                f"{len(labels)} rows have none",
                remedy="give a dimension with every value that the labels have.",
            )
        )
    encoded = np.zeros((len(labels), len(dimension)), np.int32)
    encoded[np.arange(len(labels)), found] = 1
    return jnp.asarray(encoded)


def _check_labels(labels: Any, dimension: Any) -> None:
    if isinstance(labels, DynamicLabels):
        raise DynamicSamplesError(
            compose(
                "one_hot: the labels are dynamic.",
                "that all their values are in the dimension can not be checked when they "
                "are traced",
                remedy="labels.to_labels() outside the traced function gives static ones; "
                "inside, compare labels.values with the values of the dimension.",
            )
        )
    for argument, given in (("labels", labels), ("dimension", dimension)):
        if not isinstance(given, Labels):
            raise InvalidTypeError(
                compose(
                    f"one_hot: {argument} must be Labels.",
                    f"found {type(given).__module__}.{type(given).__qualname__}",
                )
            )
    if len(dimension.names) != 1:
        raise InvalidError(
            compose(
                "one_hot: the dimension must have one name.",
                f"found the names {dimension.names}",
            )
        )
    check_dimensions("one_hot", "labels", dimension.names, labels.names)
