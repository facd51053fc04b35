"""From several samples to one batch: grouped by field, or joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import TensorMap
from jaxmeta.data._records import Record, record_class
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.operations.joining import join


def group(batch: Sequence[Any]) -> Record:
    """The entries of several samples, field by field.

    Arguments:
        batch: one or more samples of one data set: named tuples with equal fields.

    Returns:
        A named tuple `Batch` with the same fields; each holds a tuple of entries.

    Raises:
        InvalidError: for no sample at all, or samples with other fields.
        InvalidTypeError: for what is no list of named tuples.

    Example:
        >>> from jaxmeta.data import Dataset
        >>> group(list(Dataset(number=[1, 2], letter=["a", "b"])))
        Batch(number=(1, 2), letter=('a', 'b'))
    """
    names, columns = columns_of("group", batch)
    return record_class("Batch", names)(*columns)


def group_and_join(
    batch: Sequence[Any],
    fields_to_join: Sequence[str] | None = None,
    join_kwargs: Mapping[str, Any] | None = None,
) -> Record:
    """The entries of several samples, with maps and arrays joined along their rows.

    Maps are joined as `jaxmeta.join` joins samples: values and gradients under each
    other, in the order of the batch. Arrays are stacked under each other, arrays of one
    axis or none as one row. All else, and the field ``sample_id``, is grouped.

    The result has the samples of this batch: a function that JAX has compiled for one
    batch is compiled again for the next. `collate` makes batches of one kind.

    Arguments:
        batch: as for `group`.
        fields_to_join: names of the fields to join, None for all; other names are ignored.
        join_kwargs: further arguments of `jaxmeta.join`, such as ``different_keys``.

    Raises:
        InvalidError: as for `group` and `jaxmeta.join`, and for arrays that do not fit.
        InvalidTypeError: as for `group` and `jaxmeta.join`.
        NotEqualError: as for `jaxmeta.join`.

    Example:
        >>> from jaxmeta.data import Dataset
        >>> dataset = Dataset(charge=[np.array([1.0]), np.array([0.0])], name=["a", "b"])
        >>> joined = group_and_join(list(dataset))
        >>> joined.charge.tolist(), joined.name
        ([[1.0], [0.0]], ('a', 'b'))
    """
    names, columns = columns_of("group_and_join", batch)
    wanted = names if fields_to_join is None else fields_to_join
    arguments = dict(join_kwargs or {})
    return record_class("Batch", names)(
        *(
            _joined(name, column, arguments) if name in wanted else column
            for name, column in zip(names, columns, strict=True)
        )
    )


def columns_of(operation: str, batch: Any) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The names of the fields, and the entries of each."""
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        batch = None  # one sample in place of several
    if not isinstance(batch, Sequence) or not all(hasattr(s, "_fields") for s in batch):
        raise InvalidTypeError(
            compose(
                f"{operation}: a batch is a list of samples of a data set.",
                f"found {type(batch).__name__}",
            )
        )
    if not batch:
        raise InvalidError(compose(f"{operation}: there is no sample in the batch."))
    names = tuple(batch[0]._fields)
    kind = type(batch[0])
    for i, sample in enumerate(batch):
        if type(sample) is not kind and tuple(sample._fields) != names:
            raise InvalidError(
                compose(
                    f"{operation}: the samples have different fields.",
                    f"sample 0 has {list(names)}, sample {i} {list(sample._fields)}",
                )
            )
    return names, [tuple(column) for column in zip(*batch, strict=True)]


def _joined(name: str, column: tuple[Any, ...], arguments: dict[str, Any]) -> Any:
    if name == "sample_id":
        return column
    if isinstance(column[0], TensorMap):
        return join(list(column), "samples", **arguments)
    if is_array(column[0]):
        return stacked(name, column)
    return column


def is_array(entry: Any) -> bool:
    """Whether it is an array of numpy or JAX."""
    return isinstance(entry, np.ndarray | jax.Array)


def stacked(name: str, arrays: Sequence[Any]) -> Any:
    """Arrays under each other, those without rows as one row each."""
    numpy = jnp if any(isinstance(array, jax.Array) for array in arrays) else np
    shapes = {
        np.shape(array)[1:] if np.ndim(array) > 1 else np.shape(array) for array in arrays
    }
    dtypes = {str(array.dtype) for array in arrays}
    if len(shapes) > 1 or len(dtypes) > 1:
        raise InvalidError(
            compose(
                f"group_and_join: the arrays of the field {name!r} do not fit together.",
                f"rows have the shapes {sorted(map(str, shapes))}, dtypes {sorted(dtypes)}",
                remedy="leave the field out of fields_to_join=.",
            )
        )
    return numpy.vstack(list(arrays))
