"""Reductions over samples: sums, means, variances and standard deviations."""

from __future__ import annotations

from collections.abc import Sequence

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.gradients._destinations import Capacity, Into
from jaxmeta.operations._arguments import check_block, check_map
from jaxmeta.operations._over_samples import reduce


def sum_over_samples(
    tensor: TensorMap,
    sample_names: str | Sequence[str],
    *,
    into: Into | None = None,
    capacity: Capacity | None = None,
    owner: str | None = None,
) -> TensorMap:
    r"""Sum the samples that differ only in some dimensions.

    Values: :math:`B_I = \sum_{i \in I} A_i`. Gradients: :math:`\nabla B_I = \sum_{i \in I}
    \nabla A_i`, row by row of the other dimensions of the gradient samples. Gradients of
    gradients follow the same rule.

    Arguments:
        tensor: any map.
        sample_names: the dimensions that disappear. The samples of the result are sorted;
            when no dimension is left they are ``Labels.single()``.
        into: the samples of the result, in this order, in all blocks; those that nothing
            belongs to are zero. For dynamic samples this is faster: without it, rows are
            sorted when the program runs.
        capacity: for dynamic samples, room for the samples of the result, or a dictionary
            with room for ``"samples"`` and for gradients by name. Without it there is as
            much as in `tensor`.
        owner: a dimension of the samples that counts the rows of `into`: then nothing is
            looked up.

    Raises:
        MissingError: for a name that is no sample dimension.
        InvalidError: for an `into` with other names, or that lacks a sample of static
            ones. For dynamic samples all values become NaN then, unless
            `jaxmeta.debug` raises errors.
        DeviceCheckError: when a program runs in which rows exceed `capacity`.
        InvalidTypeError: for bools, and for integers of less than 32 bits, whose sums
            would soon wrap around; for names that are no strings.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> block = TensorBlock(jnp.ones((3, 1)), samples, [], Labels.range("n", 1))
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> total = sum_over_samples(tensor, "atom")
        >>> total[0].samples["system"].tolist(), total[0].values.ravel().tolist()
        ([0, 1], [2.0, 1.0])
    """
    operation = "sum_over_samples"
    room = into, capacity, owner
    return reduce(operation, check_map(operation, tensor), sample_names, "sum", room)


def mean_over_samples(
    tensor: TensorMap,
    sample_names: str | Sequence[str],
    *,
    into: Into | None = None,
    capacity: Capacity | None = None,
    owner: str | None = None,
) -> TensorMap:
    r"""Average the samples that differ only in some dimensions.

    Values: :math:`B_I = |I|^{-1} \sum_{i \in I} A_i`. Gradients: :math:`\nabla B_I =
    |I|^{-1} \sum_{i \in I} \nabla A_i`, divided by the number of *samples*, also where not
    every sample has a gradient row. (metatensor divides by the number of gradient rows.)

    Arguments and errors are those of `sum_over_samples`; integer values are refused,
    because their means are none.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> values = jnp.array([[1.0], [3.0], [5.0]])
        >>> block = TensorBlock(values, samples, [], Labels.range("n", 1))
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> mean_over_samples(tensor, "atom")[0].values.ravel().tolist()
        [2.0, 5.0]
    """
    operation = "mean_over_samples"
    room = into, capacity, owner
    return reduce(operation, check_map(operation, tensor), sample_names, "mean", room)


def var_over_samples(
    tensor: TensorMap,
    sample_names: str | Sequence[str],
    *,
    into: Into | None = None,
    capacity: Capacity | None = None,
    owner: str | None = None,
) -> TensorMap:
    r"""The variances of the samples that differ only in some dimensions.

    Values: :math:`B_I = |I|^{-1} \sum_{i \in I} |A_i - \bar A_I|^2`, the variance of the
    population. Gradients: :math:`\nabla B_I = 2 |I|^{-1} \sum_{i \in I} (A_i - \bar A_I)
    \nabla A_i`, divided by the number of *samples*. Gradients of gradients: :math:`2
    |I|^{-1} \sum_{i \in I} [(A_i - \bar A_I) \nabla_y \nabla_x A_i + \nabla_x A_i \nabla_y
    A_i] - 2\, \overline{\nabla_x A}_I \overline{\nabla_y A}_I`. Variances of complex values
    are real, as those of numpy.

    Arguments and errors are those of `mean_over_samples`, and:

    Raises:
        NestedGradientsError: where a first derivative is missing, or at a third order.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> values = jnp.array([[1.0], [3.0], [5.0]])
        >>> block = TensorBlock(values, samples, [], Labels.range("n", 1))
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> var_over_samples(tensor, "atom")[0].values.ravel().tolist()
        [1.0, 0.0]
    """
    operation = "var_over_samples"
    room = into, capacity, owner
    return reduce(operation, check_map(operation, tensor), sample_names, "var", room)


def std_over_samples(
    tensor: TensorMap,
    sample_names: str | Sequence[str],
    *,
    into: Into | None = None,
    capacity: Capacity | None = None,
    owner: str | None = None,
) -> TensorMap:
    r"""The standard deviations of the samples that differ only in some dimensions.

    Values: :math:`B_I = \sqrt{V_I}` with the variance :math:`V_I` of `var_over_samples`.
    Gradients: :math:`\nabla V_I / (2 B_I)`, and zero where :math:`B_I = 0`, in the
    derivatives of JAX too. Gradients of gradients by the chain rule.

    Arguments and errors are those of `var_over_samples`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> values = jnp.array([[1.0], [5.0], [5.0]])
        >>> block = TensorBlock(values, samples, [], Labels.range("n", 1))
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> std_over_samples(tensor, "atom")[0].values.ravel().tolist()
        [2.0, 0.0]
    """
    operation = "std_over_samples"
    room = into, capacity, owner
    return reduce(operation, check_map(operation, tensor), sample_names, "std", room)


def sum_over_samples_block(
    block: TensorBlock,
    sample_names: str | Sequence[str],
    *,
    into: Into | None = None,
    capacity: Capacity | None = None,
    owner: str | None = None,
) -> TensorBlock:
    """`sum_over_samples` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((3, 1)), Labels.range("atom", 3), [], Labels.range("n", 1)
        ... )
        >>> sum_over_samples_block(block, "atom").values.tolist()
        [[3.0]]
    """
    operation = "sum_over_samples_block"
    room = into, capacity, owner
    return reduce(operation, check_block(operation, block), sample_names, "sum", room)


def mean_over_samples_block(
    block: TensorBlock,
    sample_names: str | Sequence[str],
    *,
    into: Into | None = None,
    capacity: Capacity | None = None,
    owner: str | None = None,
) -> TensorBlock:
    """`mean_over_samples` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> block = TensorBlock(
        ...     jnp.ones((3, 1)), Labels.range("atom", 3), [], Labels.range("n", 1)
        ... )
        >>> mean_over_samples_block(block, "atom").values.tolist()
        [[1.0]]
    """
    operation = "mean_over_samples_block"
    room = into, capacity, owner
    return reduce(operation, check_block(operation, block), sample_names, "mean", room)


def var_over_samples_block(
    block: TensorBlock,
    sample_names: str | Sequence[str],
    *,
    into: Into | None = None,
    capacity: Capacity | None = None,
    owner: str | None = None,
) -> TensorBlock:
    """`var_over_samples` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> values = jnp.array([[1.0], [5.0]])
        >>> block = TensorBlock(
        ...     values, Labels.range("atom", 2), [], Labels.range("n", 1)
        ... )
        >>> var_over_samples_block(block, "atom").values.tolist()
        [[4.0]]
    """
    operation = "var_over_samples_block"
    room = into, capacity, owner
    return reduce(operation, check_block(operation, block), sample_names, "var", room)


def std_over_samples_block(
    block: TensorBlock,
    sample_names: str | Sequence[str],
    *,
    into: Into | None = None,
    capacity: Capacity | None = None,
    owner: str | None = None,
) -> TensorBlock:
    """`std_over_samples` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock
        >>> values = jnp.array([[1.0], [5.0]])
        >>> block = TensorBlock(
        ...     values, Labels.range("atom", 2), [], Labels.range("n", 1)
        ... )
        >>> std_over_samples_block(block, "atom").values.tolist()
        [[2.0]]
    """
    operation = "std_over_samples_block"
    room = into, capacity, owner
    return reduce(operation, check_block(operation, block), sample_names, "std", room)
