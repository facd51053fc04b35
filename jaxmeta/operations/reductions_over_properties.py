"""Reductions over properties: sums, means, variances and standard deviations."""

from __future__ import annotations

from collections.abc import Sequence

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.operations._arguments import check_block, check_map
from jaxmeta.operations._over_axes import reduce_properties


def sum_over_properties(
    tensor: TensorMap, property_names: str | Sequence[str]
) -> TensorMap:
    r"""Sum the properties that differ only in some dimensions.

    Values: :math:`B_{iP} = \sum_{p \in P} A_{ip}`. Gradients, of any depth: the same sums,
    row by row.

    Arguments:
        tensor: any map.
        property_names: the dimensions that disappear. The properties of the result are
            sorted; when no dimension is left they are ``Labels.single()``.

    Raises:
        MissingError: for a name that is no property dimension.
        InvalidTypeError: for bools, and for integers of less than 32 bits, whose sums
            would soon wrap around; for names that are no strings.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> properties = Labels(["l", "n"], [[1, 0], [0, 0], [1, 1]])
        >>> values = jnp.array([[1.0, 2.0, 3.0]])
        >>> block = TensorBlock(values, Labels.range("s", 1), [], properties)
        >>> total = sum_over_properties(TensorMap(Labels.single(), [block]), "n")
        >>> total[0].properties["l"].tolist(), total[0].values.tolist()
        ([0, 1], [[2.0, 4.0]])
    """
    operation = "sum_over_properties"
    return reduce_properties(operation, check_map(operation, tensor), property_names, "sum")


def mean_over_properties(
    tensor: TensorMap, property_names: str | Sequence[str]
) -> TensorMap:
    r"""Average the properties that differ only in some dimensions.

    Values: :math:`B_{iP} = |P|^{-1} \sum_{p \in P} A_{ip}`. Gradients, of any depth: the
    same means, row by row.

    Arguments and errors are those of `sum_over_properties`; integer values are refused,
    because their means are none.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> properties = Labels(["l", "n"], [[1, 0], [0, 0], [1, 1]])
        >>> values = jnp.array([[1.0, 2.0, 3.0]])
        >>> block = TensorBlock(values, Labels.range("s", 1), [], properties)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> mean_over_properties(tensor, "n")[0].values.tolist()
        [[2.0, 2.0]]
    """
    operation = "mean_over_properties"
    return reduce_properties(
        operation, check_map(operation, tensor), property_names, "mean"
    )


def var_over_properties(
    tensor: TensorMap, property_names: str | Sequence[str]
) -> TensorMap:
    r"""The variances of the properties that differ only in some dimensions.

    Values: :math:`B_{iP} = |P|^{-1} \sum_{p \in P} |A_{ip} - \bar A_{iP}|^2`, the variance
    of the population. Gradients: :math:`2 |P|^{-1} \sum_{p \in P} (A_{ip} - \bar A_{iP})
    \nabla A_{ip}`. Gradients of gradients by the chain rule. Variances of complex values
    are real, as those of numpy.

    Arguments and errors are those of `mean_over_properties`, and:

    Raises:
        NestedGradientsError: where a first derivative is missing, or at a third order.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> properties = Labels(["l", "n"], [[1, 0], [0, 0], [1, 1]])
        >>> values = jnp.array([[1.0, 2.0, 3.0]])
        >>> block = TensorBlock(values, Labels.range("s", 1), [], properties)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> var_over_properties(tensor, "n")[0].values.tolist()
        [[0.0, 1.0]]
    """
    operation = "var_over_properties"
    return reduce_properties(operation, check_map(operation, tensor), property_names, "var")


def std_over_properties(
    tensor: TensorMap, property_names: str | Sequence[str]
) -> TensorMap:
    r"""The standard deviations of the properties that differ only in some dimensions.

    Values: :math:`B = \sqrt{V}` with the variances :math:`V` of `var_over_properties`.
    Gradients: :math:`\nabla V / (2 B)`, and zero where :math:`B = 0`, in the derivatives
    of JAX too. Gradients of gradients by the chain rule.

    Arguments and errors are those of `var_over_properties`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> properties = Labels(["l", "n"], [[1, 0], [0, 0], [1, 1]])
        >>> values = jnp.array([[1.0, 2.0, 5.0]])
        >>> block = TensorBlock(values, Labels.range("s", 1), [], properties)
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> std_over_properties(tensor, "n")[0].values.tolist()
        [[0.0, 2.0]]
    """
    operation = "std_over_properties"
    return reduce_properties(operation, check_map(operation, tensor), property_names, "std")


def sum_over_properties_block(
    block: TensorBlock, property_names: str | Sequence[str]
) -> TensorBlock:
    """`sum_over_properties` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> values = jnp.array([[1.0, 3.0]])
        >>> block = TensorBlock(values, Labels.range("s", 1), [], Labels.range("n", 2))
        >>> sum_over_properties_block(block, "n").values.tolist()
        [[4.0]]
    """
    operation = "sum_over_properties_block"
    return reduce_properties(
        operation, check_block(operation, block), property_names, "sum"
    )


def mean_over_properties_block(
    block: TensorBlock, property_names: str | Sequence[str]
) -> TensorBlock:
    """`mean_over_properties` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> values = jnp.array([[1.0, 3.0]])
        >>> block = TensorBlock(values, Labels.range("s", 1), [], Labels.range("n", 2))
        >>> mean_over_properties_block(block, "n").values.tolist()
        [[2.0]]
    """
    operation = "mean_over_properties_block"
    return reduce_properties(
        operation, check_block(operation, block), property_names, "mean"
    )


def var_over_properties_block(
    block: TensorBlock, property_names: str | Sequence[str]
) -> TensorBlock:
    """`var_over_properties` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> values = jnp.array([[1.0, 5.0]])
        >>> block = TensorBlock(values, Labels.range("s", 1), [], Labels.range("n", 2))
        >>> var_over_properties_block(block, "n").values.tolist()
        [[4.0]]
    """
    operation = "var_over_properties_block"
    return reduce_properties(
        operation, check_block(operation, block), property_names, "var"
    )


def std_over_properties_block(
    block: TensorBlock, property_names: str | Sequence[str]
) -> TensorBlock:
    """`std_over_properties` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> values = jnp.array([[1.0, 5.0]])
        >>> block = TensorBlock(values, Labels.range("s", 1), [], Labels.range("n", 2))
        >>> std_over_properties_block(block, "n").values.tolist()
        [[2.0]]
    """
    operation = "std_over_properties_block"
    return reduce_properties(
        operation, check_block(operation, block), property_names, "std"
    )
