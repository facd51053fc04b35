"""TensorBlock: one array, the labels of its axes, and its explicit gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, final

import jax

from jaxmeta.core.blocks import _show
from jaxmeta.core.blocks._block_checks import checked_layout
from jaxmeta.core.blocks._labelled import Labelled
from jaxmeta.core.labels._dynamic import DynamicLabels
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.labels._names import gradient_name
from jaxmeta.core.layouts import _convert
from jaxmeta.core.layouts._keys import LeafKey
from jaxmeta.core.layouts._layout import BlockLayout, Dynamic
from jaxmeta.core.parts import _sel
from jaxmeta.core.parts._queries import Selector
from jaxmeta.errors import ImmutableError, InvalidTypeError, MissingError, choices, compose


@final
class TensorBlock(Labelled):
    """An array whose axes are labelled, with explicit gradients: a pytree of arrays.

    The values have shape ``(samples, *components, properties)``. Gradients are blocks
    of their own, of shape ``(gradient samples, *extra components, *components,
    properties)``: row ``g`` is the derivative of row ``samples["sample"][g]`` of the
    values. A row that is not there is zero. Gradients may have gradients.

    Immutable: methods named ``with_...`` give changed copies that share the arrays.

    Arguments:
        values: an array of JAX or numpy, kept as it is.
        samples: labels of the first axis, static or dynamic.
        components: labels of the axes in between, one name each, at least one entry.
        properties: labels of the last axis.
        gradients: name to gradient block. Its samples begin with the dimension
            ``sample``, its components end with those of the values, its properties and
            dtype are those of the values.

    Raises:
        InvalidError: when shapes, labels or gradients do not fit together.
        InvalidTypeError: for arguments that are no arrays or labels, or other dtypes.

    Example:
        >>> import jax.numpy as jnp
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3)), Labels.range("system", 2), [], Labels.range("n", 3)
        ... )
        >>> block.shape, block.samples.names, block.has_gradient("positions")
        ((2, 3), ['system'], False)
    """

    __slots__ = ()

    _layout: BlockLayout

    def __init__(
        self,
        values: Any,
        samples: Labels | DynamicLabels,
        components: Sequence[Labels],
        properties: Labels,
        gradients: Mapping[str, TensorBlock] | None = None,
    ) -> None:
        gradients = _checked_blocks({} if gradients is None else gradients)
        layout = checked_layout(values, samples, components, properties, gradients)
        own = (values, samples.values) if isinstance(samples, DynamicLabels) else (values,)
        below = (leaf for name, _ in layout.gradients for leaf in gradients[name]._leaves)
        self._layout = layout
        self._leaves = (*own, *below)

    # What is there ------------------------------------------------------------------

    @property
    def values(self) -> Any:
        """The array, of shape (samples, *components, properties)."""
        return self._leaves[0]

    @values.setter
    def values(self, value: Any) -> NoReturn:
        _refuse_change("values", "block.with_values(new_values)")

    @property
    def samples(self) -> Labels | DynamicLabels:
        """Labels of the first axis."""
        samples = self._layout.samples
        if isinstance(samples, Dynamic):
            return DynamicLabels._view(samples.names, self._leaves[1])
        return samples

    @samples.setter
    def samples(self, value: Any) -> NoReturn:
        _refuse_change("samples", "TensorBlock(values, samples, ...)")

    @property
    def components(self) -> list[Labels]:
        """Labels of the axes between samples and properties (a fresh list)."""
        return list(self._layout.components)

    @components.setter
    def components(self, value: Any) -> NoReturn:
        _refuse_change("components", "TensorBlock(values, samples, components, ...)")

    @property
    def properties(self) -> Labels:
        """Labels of the last axis."""
        return self._layout.properties

    @properties.setter
    def properties(self, value: Any) -> NoReturn:
        _refuse_change("properties", "TensorBlock(values, samples, ..., properties)")

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of the values."""
        return tuple(self._leaves[0].shape)

    @property
    def dtype(self) -> Any:
        """The dtype of the values and all gradients; None where leaves are no arrays."""
        return getattr(self._leaves[0], "dtype", None)

    @property
    def device(self) -> Any:
        """The device or sharding of the values; ``"cpu"`` for numpy arrays."""
        return _convert.device_of(self._leaves[0])

    def __len__(self) -> int:
        return self._leaves[0].shape[0]

    def sel(
        self,
        *,
        samples: Selector = None,
        components: Selector = None,
        properties: Selector = None,
    ) -> TensorBlock:
        """Some of the samples, components and properties, in the order they have.

        Values: the entries selected. Gradients, at any depth: the rows of the samples
        that are left, in their order, ``sample`` renumbered; properties, and components
        that are those of the values, are cut alike. Samples and properties may end up
        empty, a component may not.

        Each argument is one of

        - a dictionary: a value, several values, a range, or a function from the column
          to a mask, for each dimension named; all must hold;
        - `Labels` or a `LabelsEntry` with some or all names: what matches an entry;
        - a function from `Labels` to a mask: bools, one for each entry;
        - positions, without repetition, or a mask. They mean the same entries in every
          block, so that several blocks of a map do not take one mask.

        Components are named by a dictionary or by `Labels`; a function, positions or a
        mask will do where there is one component.

        Raises:
            MissingError: for a name that is not there. A value may be: it selects nothing.
            InvalidError: for a mask of another length, positions that stand twice, or
                when nothing of a component is left.
            InvalidTypeError: for other kinds of selections, or traced ones.
            OutOfRangeError: for positions that are not there.
            DynamicSamplesError: for a selection of dynamic samples.

        >>> import jax.numpy as jnp
        >>> samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> block = TensorBlock(jnp.eye(3), samples, [], Labels.range("n", 3))
        >>> block.sel(samples={"system": 0}, properties={"n": range(1, 9)}).values.tolist()
        [[0.0, 0.0], [1.0, 0.0]]
        >>> block.sel(samples=lambda s: (s["system"] > 0) | (s["atom"] > 0)).shape
        (2, 3)
        """
        return _sel.sel(self, None, samples, components, properties)

    # Gradients ----------------------------------------------------------------------

    def gradients_list(self) -> list[str]:
        """The names of the gradients, sorted."""
        return [name for name, _ in self._layout.gradients]

    def has_gradient(self, parameter: str) -> bool:
        """Whether there is a gradient with this name."""
        return isinstance(parameter, str) and parameter in self._layout.offsets

    def gradient(self, parameter: str) -> TensorBlock:
        """The gradient block with this name.

        Raises:
            MissingError: when there is none.
        """
        if not self.has_gradient(parameter):
            raise MissingError(
                compose(
                    f"TensorBlock: there is no gradient {parameter!r}.",
                    choices(parameter, self._layout.offsets),
                )
            )
        offset = self._layout.offsets[parameter]
        layout = self._layout.gradient_layouts[parameter]
        return TensorBlock._view(layout, self._leaves[offset : offset + layout.size])

    def gradients(self) -> Iterator[tuple[str, TensorBlock]]:
        """Name and block of every gradient, sorted by name."""
        return ((name, self.gradient(name)) for name in self.gradients_list())

    def with_gradient(self, parameter: str, gradient: TensorBlock) -> TensorBlock:
        """This block with one more gradient, or with another one under this name.

        >>> import jax.numpy as jnp
        >>> n = Labels.range("n", 1)
        >>> energy = TensorBlock(jnp.ones((2, 1)), Labels.range("system", 2), [], n)
        >>> xyz = Labels.range("xyz", 3)
        >>> rows = Labels(["sample", "atom"], [[0, 0], [1, 0], [1, 1]])
        >>> forces = TensorBlock(jnp.zeros((3, 3, 1)), rows, [xyz], n)
        >>> energy.with_gradient("positions", forces).gradients_list()
        ['positions']
        """
        name = gradient_name(parameter, "TensorBlock.with_gradient")
        gradients = dict(self.gradients()) | {name: gradient}
        return self._rebuilt(self.values, gradients)

    def with_values(self, values: Any) -> TensorBlock:
        """This block with other values of the same shape and dtype; gradients stay.

        Explicit gradients are not recomputed: they are those of the old values.
        """
        return self._rebuilt(values, dict(self.gradients()))

    def _rebuilt(self, values: Any, gradients: Mapping[str, TensorBlock]) -> TensorBlock:
        return TensorBlock(
            values, self.samples, self.components, self.properties, gradients
        )

    def add_gradient(self, *_: Any, **__: Any) -> NoReturn:
        """Blocks are immutable: use `with_gradient`.

        Raises:
            ImmutableError: always.
        """
        _refuse_change("add_gradient", "block = block.with_gradient(parameter, gradient)")

    # Display ------------------------------------------------------------------------

    def __repr__(self) -> str:
        return _show.block(self)

    def _repr_html_(self) -> str:
        return _show.block_html(self)

    def __treescope_repr__(self, path: Any, subtree_renderer: Any) -> Any:
        return _show.block_tree(self, path, subtree_renderer)


def _checked_blocks(gradients: Mapping[str, TensorBlock]) -> Mapping[str, TensorBlock]:
    if not isinstance(gradients, Mapping):
        raise InvalidTypeError(
            compose(
                "TensorBlock: the gradients must be a dictionary of blocks by name.",
                f"found {type(gradients).__name__}",
            )
        )
    for name, gradient in gradients.items():
        if not isinstance(gradient, TensorBlock):
            raise InvalidTypeError(
                compose(
                    f"TensorBlock: the gradient {name!r} must be a TensorBlock.",
                    f"found {type(gradient).__name__}",
                )
            )
    return gradients


def _refuse_change(name: str, instead: str) -> NoReturn:
    raise ImmutableError(
        compose(
            f"TensorBlock: {name} can not change a block: blocks are immutable.",
            remedy=f"use {instead}, which gives a new block.",
        )
    )


def _flatten_with_keys(block: TensorBlock) -> tuple[tuple[Any, ...], BlockLayout]:
    layout = block._layout
    return tuple(
        (LeafKey(path), leaf)
        for path, leaf in zip(layout.paths, block._leaves, strict=True)
    ), layout


def _unflatten(layout: Any, leaves: Any) -> TensorBlock:
    # Leaves may be of any kind (tracers, None, object()): nothing is validated.
    block = object.__new__(TensorBlock)
    block._layout = layout
    block._leaves = leaves
    return block


jax.tree_util.register_pytree_with_keys(
    TensorBlock,
    _flatten_with_keys,
    _unflatten,
    lambda block: (block._leaves, block._layout),
)
