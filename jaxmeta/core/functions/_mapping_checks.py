"""What a function of one sample must give, and what its labels must be."""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import numpy as np
from jax.core import Tracer

from jaxmeta.core.gradients._levels import extra_components
from jaxmeta.core.gradients._rowwise import Axes
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.core.plans._functions import Function
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


# Shape, dtype and weakness of an array that a function holds.
Kind: TypeAlias = tuple[tuple[int, ...], Any, bool]


class Trial:
    """Calls a function on the shape of a sample, once for each shape.

    Arguments:
        operation: for messages.
        function: the static part of the function.
        kinds: what its arrays are.
        dtype: of the values.
        result: dtype that the result must have; None for bools.
    """

    def __init__(
        self,
        operation: str,
        function: Function,
        kinds: tuple[Kind, ...],
        dtype: Any,
        result: Any,
    ) -> None:
        self.traced = False
        self._operation = operation
        self._function = function
        self._arrays = [
            jax.ShapeDtypeStruct(shape, of, weak_type=weak) for shape, of, weak in kinds
        ]
        self._dtype = dtype
        self._result = np.dtype(np.bool_) if result is None else result
        self._makes_bools = result is None
        self._found: dict[tuple[int, ...], Any] = {}

    def check(self, name: str, layout: BlockLayout, axes: Axes) -> None:
        """Raise where the function does not give for a block what the labels say."""
        shape = _sizes(layout.components, layout.properties)
        if shape not in self._found:
            self._found[shape] = self._call(name, shape)
        found = self._found[shape]
        if not isinstance(found, jax.ShapeDtypeStruct):
            self._refuse_trees(name, found)
        if tuple(found.shape) != _sizes(*axes):
            self._refuse_shape(name, layout, tuple(found.shape), axes)
        if found.dtype != self._result:
            self._refuse_dtype(name, found.dtype)

    def _call(self, name: str, shape: tuple[int, ...]) -> Any:
        """Shape and dtype of the result for one sample."""

        def of_sample(x: Any, *arrays: Any) -> Any:
            return self._function.with_arrays(arrays)(x)

        sample = jax.ShapeDtypeStruct(shape, self._dtype)
        try:
            jaxpr, found = jax.make_jaxpr(of_sample, return_shape=True)(
                sample, *self._arrays
            )
        except Exception as error:
            error.add_note(
                f"{self._operation}: raised by the function, for one sample of {name}, an "
                f"array of shape {shape} and dtype {self._dtype}"
            )
            raise
        self.traced |= any(isinstance(value, Tracer) for value in jaxpr.consts)
        return found

    def _refuse_trees(self, name: str, found: Any) -> None:
        raise InvalidTypeError(
            compose(
                f"{self._operation}: the function must give one array.",
                f"for a sample of {name} it gives {type(found).__name__}",
                remedy="call it once for each of its results.",
            )
        )

    def _refuse_shape(
        self, name: str, layout: BlockLayout, found: tuple[int, ...], axes: Axes
    ) -> None:
        components, properties = axes
        if self._makes_bools:
            remedy = "the predicate must give a bool for every value: jnp.all(...) of "
            remedy += "several is one value."
        elif found[:-1] == _sizes(*axes)[:-1] and found:
            remedy = f"properties=Labels.range('property', {found[-1]}) would fit."
        else:
            remedy = "components=[...] and properties=... label what the function gives; "
            remedy += "it must have an axis for each component, and one for properties."
        named = [f"{len(c)} of {c.names[0]!r}" for c in components]
        raise InvalidError(
            compose(
                f"{self._operation}: what the function gives for {name} does not fit the "
                "labels.",
                f"for a sample of shape {_sizes(layout.components, layout.properties)} it "
                f"gives shape {found}",
                f"the labels say {_sizes(*axes)}: {''.join(f'{n}, ' for n in named)}"
                f"{len(properties)} properties {properties.names}",
                remedy=remedy,
            )
        )

    def _refuse_dtype(self, name: str, found: Any) -> None:
        if self._makes_bools:
            remedy = "compare: lambda x: x > 0."
        elif found == np.bool_:
            remedy = "mask(predicate, tensor) makes maps of bools."
        else:
            remedy = "convert on purpose within the function: .astype(x.dtype)."
        raise InvalidTypeError(
            compose(
                f"{self._operation}: what the function gives for {name} has another dtype.",
                f"it gives {found}; from {self._dtype} it must give {self._result}",
                remedy=remedy,
            )
        )


def check_names(
    operation: str, name: str, layout: BlockLayout, components: tuple[Labels, ...]
) -> None:
    """Refuse names of new components that those of a gradient have already."""
    wanted = {labels._names[0] for labels in components}
    for parameter, gradient in layout.gradients:
        for labels in extra_components(gradient, layout):
            if labels._names[0] in wanted:
                raise InvalidError(
                    compose(
                        f"{operation}: two components of {name} would have one name.",
                        f"the gradient {parameter!r} has a component {labels.names[0]!r} "
                        "already",
                        remedy="choose another name for the new component.",
                    )
                )
        inner = (*extra_components(gradient, layout), *components)
        check_names(operation, f"gradient {parameter!r} of {name}", gradient, inner)


def _sizes(components: tuple[Labels, ...], properties: Labels) -> tuple[int, ...]:
    return (*(len(labels) for labels in components), len(properties))
