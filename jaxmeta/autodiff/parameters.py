"""Parameter: an array to differentiate by, and what its axes mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NoReturn, final

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import DynamicLabels, Labels
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Parameter:
    """An array that values are differentiated by: its numbers, its labels, its owners.

    Each row feeds samples of the values. Where each feeds one sample and no other (an atom
    its system, a strain its system), `owner` says which; then gradients have one row for
    each row of the parameter, and cost next to nothing. Without an owner every row may
    feed every sample, and gradients have a row for each pair.

    Make it where it is used, also inside traced functions: it is no pytree.

    Arguments:
        values: floating point numbers of shape ``(rows, *components)``.
        samples: what the rows are, without ``sample``; `Labels`, or `DynamicLabels` whose
            padding rows are no rows. None where a sample has no more than one row.
        components: labels of the other axes, one name each.
        owner: which sample each row feeds. Names of dimensions, as ``"system"``: the one
            with the same labels there, if there is one. Or its position, as integers of
            shape ``(rows,)``, `jaxmeta.PADDING` where a row feeds none: an array of numpy
            or a list is static, and gradients have static samples if all others are static
            too; an array of JAX is traced, and they are dynamic. Blocks that need positions
            of their own: a function from a block to such an array, or a list of arrays,
            one for each block. None where rows may feed all samples.

    Raises:
        InvalidError: for shapes that do not fit together, components with several names,
            and samples with a dimension ``sample``.
        InvalidTypeError: for arrays and labels of other kinds.

    Example:
        >>> import jax.numpy as jnp
        >>> atoms = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> xyz = Labels.range("xyz", 3)
        >>> Parameter(jnp.zeros((3, 3)), atoms, [xyz], owner="system").values.shape
        (3, 3)
    """

    values: Any
    samples: Labels | DynamicLabels | None = None
    components: Sequence[Labels] = ()
    owner: Any = None

    def __post_init__(self) -> None:
        _check_array(self.values)
        _check_components(self.components)
        object.__setattr__(self, "components", tuple(self.components))
        _check_samples(self.samples)
        _check_shape(self)

    @property
    def names(self) -> list[str]:
        """The dimensions of the labels of the rows."""
        return [] if self.samples is None else self.samples.names


def _check_array(values: Any) -> None:
    if not isinstance(values, jax.Array | np.ndarray):
        raise InvalidTypeError(
            compose(
                "Parameter: the values must be an array of JAX or numpy.",
                f"found {type(values).__name__}",
                remedy="convert it first, for instance with jnp.asarray(...).",
            )
        )
    if not jnp.issubdtype(values.dtype, np.floating):
        raise InvalidTypeError(
            compose(
                "Parameter: only real floating point numbers are differentiated by.",
                f"found {values.dtype}",
                remedy="convert on purpose, for instance with .astype(jnp.float32).",
            )
        )


def _check_components(components: Any) -> None:
    if isinstance(components, Labels) or not isinstance(components, Sequence):
        _refuse_kind("the components must be a list of Labels", components)
    names: list[str] = []
    for axis, labels in enumerate(components):
        if not isinstance(labels, Labels):
            _refuse_kind(f"component {axis} must be Labels", labels)
        if len(labels.names) != 1 or len(labels) == 0 or labels.names[0] in names:
            raise InvalidError(
                compose(
                    f"Parameter: component {axis} needs one name of its own and an entry "
                    "or more.",
                    f"found the names {labels.names} with {len(labels)} entries, after the "
                    f"components {names}",
                )
            )
        names.append(labels.names[0])


def _refuse_kind(what: str, given: Any) -> NoReturn:
    raise InvalidTypeError(compose(f"Parameter: {what}.", f"found {type(given).__name__}"))


def _check_samples(samples: Any) -> None:
    if samples is None:
        return
    if not isinstance(samples, Labels | DynamicLabels):
        _refuse_kind("the samples must be Labels or DynamicLabels", samples)
    if "sample" in samples.names:
        raise InvalidError(
            compose(
                "Parameter: the samples have a dimension 'sample'.",
                f"the names are {samples.names}",
                remedy="leave it out: owner= says which sample a row belongs to.",
            )
        )


def _check_shape(parameter: Parameter) -> None:
    shape, samples = tuple(parameter.values.shape), parameter.samples
    if isinstance(samples, DynamicLabels):
        rows = samples.capacity
    elif samples is not None:
        rows = len(samples)
    else:
        rows = shape[0] if shape else 1
    axes = [("rows", rows), *((c.names[0], len(c)) for c in parameter.components)]
    if shape != tuple(size for _, size in axes):
        raise InvalidError(
            compose(
                "Parameter: the values do not fit the labels.",
                f"the values have shape {shape}",
                f"the labels say {', '.join(f'{name} {size}' for name, size in axes)}",
                remedy="the shape is (rows, *components).",
            )
        )
