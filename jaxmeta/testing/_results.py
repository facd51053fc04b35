"""What has to be true of the result of an operation before its gradients are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap, unpad
from jaxmeta.errors import FailedCheckError, InvalidTypeError, JaxmetaError, compose
from jaxmeta.testing._faults import Tolerance
from jaxmeta.testing.directions import Part, parts_of


WHERE = "assert_exact_gradients"


class Value(NamedTuple):
    """An array of values, and the block that it stands in, if it stands in one."""

    array: Any
    part: Part | None = None


def values_of(data: Any) -> list[Value]:
    """All values of maps and blocks, or arrays as they are."""
    leaves = jax.tree.leaves(data, is_leaf=_is_labelled)
    if any(map(_is_labelled, leaves)):
        return [Value(part.block.values, part) for part in parts_of(WHERE, data)]
    return [Value(leaf) for leaf in leaves]


def _is_labelled(data: Any) -> bool:
    return isinstance(data, TensorMap | TensorBlock)


def check_legal(data: Any) -> None:
    """Refuse what could not be built: labels twice, rows of no sample, arrays that misfit.

    Operations build their results without the checks that users get.
    """
    for each in data if isinstance(data, list | tuple) else [data]:
        try:
            unpad(_rebuilt(each))  # which checks the rows of dynamic samples
        except JaxmetaError as error:
            raise FailedCheckError(
                compose(f"{WHERE}: the result is none that could be built.", str(error))
            ) from error


def _rebuilt(data: Any) -> Any:
    if isinstance(data, TensorMap):
        return TensorMap(_checked(data.keys), [_rebuilt(block) for block in data])
    if isinstance(data, TensorBlock):
        return TensorBlock(
            data.values,
            _checked(data.samples),
            [_checked(labels) for labels in data.components],
            _checked(data.properties),
            {name: _rebuilt(gradient) for name, gradient in data.gradients()},
        )
    return data


def _checked(labels: Any) -> Any:
    """The same labels, with every check that the constructor makes."""
    if isinstance(labels, DynamicLabels):
        return DynamicLabels(labels.names, labels.values)
    return Labels(labels.names, labels.values)


def check_floats(what: str, parts: Sequence[Part]) -> None:
    """Refuse values that have no derivatives."""
    for name, block in parts:
        if not jnp.issubdtype(block.dtype, np.inexact):
            raise InvalidTypeError(
                compose(
                    f"{WHERE}: only floating point numbers have derivatives.",
                    f"{name} of {what} has {block.dtype}",
                    remedy="convert on purpose first: tensor.to(dtype=...).",
                )
            )


def check_dtypes(given: Sequence[Part], found: Sequence[Part], dtype: Any) -> None:
    """Refuse a result of another precision than the arguments, or of another dtype."""
    check_floats("the result", found)
    for name, block in found:
        own, kept = block.dtype, dtype
        if dtype is None and given:
            own, kept = (jnp.finfo(d).dtype for d in (own, given[0].block.dtype))
        if kept is not None and own != kept:
            raise FailedCheckError(
                compose(
                    f"{WHERE}: the result has another dtype.",
                    f"{name} has {own}, expected {np.dtype(kept)}",
                    remedy="where this is meant, give dtype=... to the check.",
                )
            )


def check_values(
    expected: Sequence[Value], found: Sequence[Part], tolerance: Tolerance
) -> None:
    """Refuse values or labels that are others without gradients, or by `values`."""
    if len(expected) != len(found):
        _refuse(f"{len(expected)} blocks of values", f"{len(found)} blocks")
    for right, part in zip(expected, found, strict=True):
        _check_same_labels(right, part)
        own, other = np.asarray(right.array), np.asarray(part.block.values)
        _check_finite(part.name, other)
        wrong = tolerance.wrong(own, other)
        if wrong.any():
            index = tuple(np.argwhere(wrong)[0].tolist())
            where = f"{part.name}, values{list(index)}"
            _refuse(f"{own[index]!s}", f"{other[index]!s} ({where})")


def _check_finite(name: str, values: np.ndarray) -> None:
    """Refuse values that no derivative can be compared at."""
    wild = ~np.isfinite(values)
    if wild.any():
        index = tuple(np.argwhere(wild)[0].tolist())
        raise FailedCheckError(
            compose(
                "assert_exact_gradients: the operation gives values that are not finite.",
                f"{name}, values{list(index)}: found {values[index]!s}",
                remedy="choose numbers where it has derivatives, as those of "
                "Recipe(numbers='positive').",
            )
        )


def _check_same_labels(right: Value, part: Part) -> None:
    block = part.block
    if right.part is not None:
        pairs = [(right.part.name, part.name)]
        axes = [_axes(right.part.block), _axes(block)]
        pairs += list(zip(*axes, strict=False))
        for own, other in pairs:
            if own != other:
                _refuse(f"{own!r}", f"{other!r} ({part.name})")
    if tuple(np.shape(right.array)) != block.shape or right.array.dtype != block.dtype:
        shapes = [f"{a.dtype} of shape {tuple(a.shape)}" for a in (right.array, block)]
        _refuse(shapes[0], f"{shapes[1]} ({part.name})")


def _axes(block: TensorBlock) -> list[Any]:
    samples = block.samples
    own = samples.names if isinstance(samples, DynamicLabels) else samples
    return [own, *block.components, block.properties]


def _refuse(expected: str, found: str) -> None:
    raise FailedCheckError(
        compose(
            f"{WHERE}: the values are others than those to take derivatives of.",
            f"without gradients, or by values=...: {expected}",
            f"found in the result: {found}",
        )
    )
