"""Reductions over components: sums, means and norms."""

from __future__ import annotations

from collections.abc import Sequence

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.operations._arguments import check_block, check_map
from jaxmeta.operations._over_axes import reduce_components


def sum_over_components(
    tensor: TensorMap, component_names: str | Sequence[str] | None = None
) -> TensorMap:
    r"""Sum over components, which disappear.

    Values: :math:`B = \sum_m A_m`. Gradients, of any depth: :math:`\nabla B = \sum_m
    \nabla A_m`; the components that a gradient has of its own stay.

    Arguments:
        tensor: any map.
        component_names: those to sum over; None is all components of the values.

    Raises:
        MissingError: for a name that is no component of the values.
        InvalidTypeError: for bools, and for integers of less than 32 bits, whose sums
            would soon wrap around; for names that are no strings.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> s, n = Labels.range("s", 1), Labels.range("n", 2)
        >>> values = jnp.array([[[1.0, 2.0], [3.0, 4.0]]])
        >>> block = TensorBlock(values, s, [Labels.range("m", 2)], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> sum_over_components(tensor, "m")[0].values.tolist()
        [[4.0, 6.0]]
    """
    operation = "sum_over_components"
    return reduce_components(
        operation, check_map(operation, tensor), component_names, "sum"
    )


def mean_over_components(
    tensor: TensorMap, component_names: str | Sequence[str] | None = None
) -> TensorMap:
    r"""Average over components, which disappear.

    Values: :math:`B = M^{-1} \sum_m A_m` with :math:`M` entries of the components.
    Gradients, of any depth: the same means.

    Arguments and errors are those of `sum_over_components`; integer values are refused,
    because their means are none.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> s, n = Labels.range("s", 1), Labels.range("n", 2)
        >>> values = jnp.array([[[1.0, 2.0], [3.0, 4.0]]])
        >>> block = TensorBlock(values, s, [Labels.range("m", 2)], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> mean_over_components(tensor)[0].values.tolist()
        [[2.0, 3.0]]
    """
    operation = "mean_over_components"
    return reduce_components(
        operation, check_map(operation, tensor), component_names, "mean"
    )


def norm_over_components(
    tensor: TensorMap, component_names: str | Sequence[str] | None = None
) -> TensorMap:
    r"""The Euclidean norms along components, which disappear.

    Values: :math:`B = \sqrt{\sum_m |A_m|^2}`, real also for complex values; without any
    component the absolute values. Norms along all components of spherical tensors are
    invariant under rotations. Gradients: :math:`\nabla B = B^{-1} \sum_m \mathrm{Re}(A_m^*
    \nabla A_m)`, and zero where :math:`B = 0`, in the derivatives of JAX too. Gradients of
    gradients by the chain rule.

    Arguments and errors are those of `mean_over_components`, and:

    Raises:
        NestedGradientsError: where a first derivative is missing, or at a third order.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> s, n = Labels.range("s", 1), Labels.range("n", 2)
        >>> values = jnp.array([[[3.0, 0.0], [4.0, 0.0]]])
        >>> block = TensorBlock(values, s, [Labels.range("m", 2)], n)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> norm_over_components(tensor)[0].values.tolist()
        [[5.0, 0.0]]
    """
    operation = "norm_over_components"
    return reduce_components(
        operation, check_map(operation, tensor), component_names, "norm"
    )


def sum_over_components_block(
    block: TensorBlock, component_names: str | Sequence[str] | None = None
) -> TensorBlock:
    """`sum_over_components` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> s, m, n = Labels.range("s", 1), Labels.range("m", 3), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((1, 3, 1)), s, [m], n)
        >>> sum_over_components_block(block).values.tolist()
        [[3.0]]
    """
    operation = "sum_over_components_block"
    return reduce_components(
        operation, check_block(operation, block), component_names, "sum"
    )


def mean_over_components_block(
    block: TensorBlock, component_names: str | Sequence[str] | None = None
) -> TensorBlock:
    """`mean_over_components` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> s, m, n = Labels.range("s", 1), Labels.range("m", 3), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((1, 3, 1)), s, [m], n)
        >>> mean_over_components_block(block).values.tolist()
        [[1.0]]
    """
    operation = "mean_over_components_block"
    return reduce_components(
        operation, check_block(operation, block), component_names, "mean"
    )


def norm_over_components_block(
    block: TensorBlock, component_names: str | Sequence[str] | None = None
) -> TensorBlock:
    """`norm_over_components` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> s, m, n = Labels.range("s", 1), Labels.range("m", 4), Labels.range("n", 1)
        >>> block = TensorBlock(jnp.ones((1, 4, 1)), s, [m], n)
        >>> norm_over_components_block(block).values.tolist()
        [[2.0]]
    """
    operation = "norm_over_components_block"
    return reduce_components(
        operation, check_block(operation, block), component_names, "norm"
    )
