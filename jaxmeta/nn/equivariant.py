"""Functions of invariants that multiply what turns: EquivariantTransformation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jaxmeta.core import Labels
from jaxmeta.nn._arguments import (
    OutProperties,
    check_labels,
    invariant_positions,
    out_sizes,
    properties_of,
    sizes,
)
from jaxmeta.nn._layers import Covariant, Sized, layer_of
from jaxmeta.nn.module_map import ModuleMap, check_modules


class EquivariantTransformation(ModuleMap):
    r"""Any functions, applied so that blocks turn as before.

    Values: of invariant blocks :math:`f_k(A_i)`. Of others :math:`B_{icp} =
    f_k(|A_i|)_p A_{icp}`, with the norms :math:`|A_i|_p` over the components, in an array
    of shape ``(1, ..., properties)``. Gradients: by the chain rule, exact also where a
    norm is zero.

    Arguments:
        modules: a function for each key, as of `ModuleMap`; of those for blocks that are
            not invariant the result must have the shape of the norms.
        in_keys: keys of the blocks that can be treated.
        in_features: number of properties of the blocks, or a list with one for each key.
        out_features: number of properties of the result, or a list; by default what the
            functions give.
        out_properties: of the result, as of `ModuleMap`.
        invariant_keys: a selection of `in_keys`, as of `Labels.select`; by default
            ``o3_lambda=0, o3_sigma=1``.

    Raises:
        InvalidError: where `in_keys` lack the names of `invariant_keys`, and for lists of
            wrong length. When called: for other numbers of properties, for blocks without
            components that are not invariant, and as `ModuleMap`.
        InvalidTypeError: for arguments of other types. When called: as `ModuleMap`.

    Example:
        >>> import equinox as eqx, jax, jax.numpy as jnp
        >>> from jaxmeta import TensorBlock, TensorMap
        >>> from jaxmeta.nn import EachComponent
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3, 4)), Labels.range("atom", 2),
        ...     [Labels.range("o3_mu", 3)], Labels.range("n", 4),
        ... )
        >>> keys = Labels(["o3_lambda", "o3_sigma"], [[1, 1]])
        >>> tensor = TensorMap(keys, [block])
        >>> mlp = EachComponent(eqx.nn.MLP(4, 4, 8, 1, key=jax.random.key(0)))
        >>> EquivariantTransformation([mlp], keys, 4)(tensor)[0].shape
        (2, 3, 4)
    """

    def __init__(
        self,
        modules: Sequence[Callable[..., Any]],
        in_keys: Labels,
        in_features: int | Sequence[int],
        out_features: int | Sequence[int] | None = None,
        out_properties: OutProperties = None,
        invariant_keys: Labels | None = None,
    ) -> None:
        name = type(self).__name__
        count = len(check_labels(name, "in_keys", in_keys))
        check_modules(name, modules, count)
        invariant = invariant_positions(name, in_keys, invariant_keys)
        labels = properties_of(name, out_properties, count)
        outputs: list[int] | list[None] = [None] * count
        if out_features is not None or labels is not None:
            outputs = out_sizes(name, out_features, labels, count)
        inputs = sizes(name, "in_features", in_features, count)
        functions = [layer_of(module) for module in modules]
        for i in set(range(count)).difference(invariant):
            functions[i] = Covariant(functions[i])
        layers = list(map(Sized, functions, inputs, outputs))
        super().__init__(in_keys, layers, labels)
