"""What the constructor of TensorBlock demands, and the layout that results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core.labels._dynamic import DynamicLabels
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.labels._names import gradient_name
from jaxmeta.core.layouts._layout import BlockLayout, Dynamic, Samples, block_layout
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


if TYPE_CHECKING:
    from jaxmeta.core.blocks._block import TensorBlock


WHERE = "TensorBlock"


def checked_layout(
    values: Any,
    samples: Labels | DynamicLabels,
    components: Sequence[Labels],
    properties: Labels,
    gradients: Mapping[str, TensorBlock],
) -> BlockLayout:
    """The layout of a block with these parts, or an error that says what does not fit."""
    check_array(values)
    components = _checked_components(components)
    _check_labels(samples, properties)
    _check_shape(values, samples, components, properties)
    own = _sample_part(samples)
    parts: list[tuple[str, BlockLayout]] = []
    for name in sorted(gradients, key=lambda name: gradient_name(name, WHERE)):
        gradient = gradients[name]
        check_gradient(name, gradient, values, samples, components, properties)
        parts.append((name, gradient._layout))
    return block_layout(own, components, properties, tuple(parts))


def _sample_part(samples: Labels | DynamicLabels) -> Samples:
    return Dynamic(samples._names) if isinstance(samples, DynamicLabels) else samples


def check_array(values: Any) -> None:
    """Values are an array with a numeric dtype: of JAX, numpy, or only its shape."""
    if not isinstance(values, np.ndarray | jax.Array | jax.ShapeDtypeStruct):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the values must be an array of JAX or numpy.",
                f"found {type(values).__module__}.{type(values).__qualname__}",
                remedy="convert it first, for instance with jnp.asarray(...) or np.asarray"
                "(...).",
            )
        )
    if isinstance(values, np.ma.MaskedArray | np.matrix):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the values must be a plain array.",
                f"found {type(values).__name__}",
                remedy="fill masked entries, or convert, on purpose: np.asarray(...) gives "
                "the data alone.",
            )
        )
    dtype = values.dtype
    if isinstance(values, np.ndarray) and (not dtype.isnative or dtype.char in "gG"):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: JAX has no numbers of dtype {dtype.str!r}.",
                remedy="convert on purpose, for instance with .astype(np.float64).",
            )
        )
    if not (jnp.issubdtype(dtype, np.number) or dtype == np.bool_):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the values must be numbers or bools.",
                f"found dtype {dtype}",
            )
        )


def _check_labels(samples: Any, properties: Any) -> None:
    if not isinstance(samples, Labels | DynamicLabels):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the samples must be Labels or DynamicLabels.",
                f"found {type(samples).__name__}",
            )
        )
    if not isinstance(properties, Labels):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the properties must be Labels.",
                f"found {type(properties).__name__}",
            )
        )


def _checked_components(components: Sequence[Labels]) -> tuple[Labels, ...]:
    if isinstance(components, Labels) or not isinstance(components, Sequence):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the components must be a list of Labels.",
                f"found {type(components).__name__}",
                remedy="give [labels], or [] for no components.",
            )
        )
    names: list[str] = []
    for axis, labels in enumerate(components):
        if not isinstance(labels, Labels):
            raise InvalidTypeError(
                compose(
                    f"{WHERE}: component {axis} must be Labels.",
                    f"found {type(labels).__name__}",
                )
            )
        if len(labels._names) != 1 or len(labels) == 0 or labels._names[0] in names:
            raise InvalidError(
                compose(
                    f"{WHERE}: component {axis} needs one name of its own and an entry "
                    "or more.",
                    f"found the names {labels.names} with {len(labels)} entries, after the "
                    f"components {names}",
                )
            )
        names.append(labels._names[0])
    return tuple(components)


def _check_shape(
    values: Any,
    samples: Labels | DynamicLabels,
    components: tuple[Labels, ...],
    properties: Labels,
) -> None:
    axes = [("samples", _rows(samples), list(samples._names))]
    axes += [(f"component {i}", len(c), c.names) for i, c in enumerate(components)]
    axes += [("properties", len(properties), properties.names)]
    if len(values.shape) != len(axes):
        raise InvalidError(
            compose(
                f"{WHERE}: the values have another number of axes than labels were given "
                "for.",
                f"the values have shape {tuple(values.shape)}: {len(values.shape)} axes",
                f"the labels need {len(axes)}: {', '.join(name for name, _, _ in axes)}",
            )
        )
    for axis, (name, size, names) in enumerate(axes):
        if values.shape[axis] != size:
            raise InvalidError(
                compose(
                    f"{WHERE}: axis {axis} ({name}) of the values does not fit its labels.",
                    f"the values have shape {tuple(values.shape)}: {values.shape[axis]} "
                    "along this axis",
                    f"the labels {names} have {size} entries",
                )
            )


def _rows(samples: Labels | DynamicLabels) -> Any:
    return samples.capacity if isinstance(samples, DynamicLabels) else len(samples)


def check_gradient(
    name: str,
    gradient: TensorBlock,
    values: Any,
    samples: Labels | DynamicLabels,
    components: tuple[Labels, ...],
    properties: Labels,
) -> None:
    """The rules that a gradient block keeps with respect to its parent."""
    where = f"{WHERE}: gradient {name!r}"
    layout = gradient._layout
    if gradient.dtype != values.dtype:
        raise InvalidTypeError(
            compose(
                f"{where} has another dtype than the values.",
                f"the gradient has {gradient.dtype}, the values have {values.dtype}",
                remedy="convert one of them on purpose, with .to(dtype=...).",
            )
        )
    if layout.properties is not properties:
        raise InvalidError(
            compose(
                f"{where} has other properties than the values.",
                f"the gradient has {len(layout.properties)} entries of "
                f"{layout.properties.names}, the values have {len(properties)} of "
                f"{properties.names}",
                remedy="a gradient has exactly the properties of its values.",
            )
        )
    own = layout.components
    if len(own) < len(components) or own[len(own) - len(components) :] != components:
        raise InvalidError(
            compose(
                f"{where} has other components than the values.",
                f"the gradient has {[c.names[0] for c in own]}, the values have "
                f"{[c.names[0] for c in components]}",
                remedy="the components of a gradient end with those of its values; its own "
                "come first.",
            )
        )
    _check_gradient_samples(where, gradient.samples, samples)


def _check_gradient_samples(
    where: str, own: Labels | DynamicLabels, parent: Labels | DynamicLabels
) -> None:
    if not own._names or own._names[0] != "sample":
        raise InvalidError(
            compose(
                f"{where}: the first dimension of its samples must be 'sample'.",
                f"found {list(own._names)}",
                remedy="'sample' is the row of the values that a gradient row belongs to.",
            )
        )
    if isinstance(own, DynamicLabels) or isinstance(parent, DynamicLabels):
        return  # which rows there are is only known when the program runs
    column = own.column("sample")
    outside = np.flatnonzero((column < 0) | (column >= len(parent)))
    if outside.size:
        row = int(outside[0])
        raise InvalidError(
            compose(
                f"{where} belongs to a row of the values that is not there.",
                f"row {row} is {own.entry(row).print()}, there are {len(parent)} rows",
                remedy="'sample' counts the rows of the values from 0; it is not a label.",
            )
        )
