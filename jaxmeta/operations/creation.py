"""Creation: maps and blocks with the labels of others and new numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.layouts._precision import check_inexact
from jaxmeta.core.plans._results import run
from jaxmeta.operations._arguments import check_block, check_map
from jaxmeta.operations._new_arrays import constant_leaves
from jaxmeta.operations._random_arrays import checked_key, uniform_leaves
from jaxmeta.operations.gradients import plan_to_keep, refuse_requires_grad


def zeros_like(
    tensor: TensorMap,
    gradients: str | Sequence[str] | None = None,
    requires_grad: bool = False,
) -> TensorMap:
    """A map with the same labels whose values are zero.

    Values: zero, of the same dtype, on the same device; numpy arrays where the map has
    numpy arrays. Gradients: zero too, and theirs. Dynamic samples stay. A map of shapes,
    as from `jax.eval_shape`, becomes one of arrays.

    Arguments:
        tensor: any map.
        gradients: names of the gradients that the result has, with all of theirs; None
            for all there are, an empty list for none.
        requires_grad: False. True has no meaning in JAX, where `jax.grad` decides.

    Raises:
        MissingError: for a name that is no gradient.
        InvalidError: for ``requires_grad=True``.
        InvalidTypeError: for what is no map, and for gradients that are no names.
        PrecisionError: for shapes of 64 bits where JAX runs without x64.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> zeros_like(TensorMap(Labels.single(), [block]))[0].values.ravel().tolist()
        [0.0, 0.0]
    """
    check_map("zeros_like", tensor)
    return _constant("zeros_like", tensor, gradients, requires_grad, 0)


def zeros_like_block(
    block: TensorBlock,
    gradients: str | Sequence[str] | None = None,
    requires_grad: bool = False,
) -> TensorBlock:
    """`zeros_like` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> zeros_like_block(block).values.tolist()
        [[0.0], [0.0]]
    """
    check_block("zeros_like_block", block)
    return _constant("zeros_like_block", block, gradients, requires_grad, 0)


def ones_like(
    tensor: TensorMap,
    gradients: str | Sequence[str] | None = None,
    requires_grad: bool = False,
) -> TensorMap:
    """A map with the same labels whose values are one.

    Values: one; True for bools. Gradients: one too, as in metatensor, although the
    derivatives of a constant are zero; ``gradients=[]`` gives a map without them.

    Arguments and errors are those of `zeros_like`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.zeros((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> ones_like(TensorMap(Labels.single(), [block]))[0].values.ravel().tolist()
        [1.0, 1.0]
    """
    check_map("ones_like", tensor)
    return _constant("ones_like", tensor, gradients, requires_grad, 1)


def ones_like_block(
    block: TensorBlock,
    gradients: str | Sequence[str] | None = None,
    requires_grad: bool = False,
) -> TensorBlock:
    """`ones_like` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.zeros((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> ones_like_block(block).values.tolist()
        [[1.0], [1.0]]
    """
    check_block("ones_like_block", block)
    return _constant("ones_like_block", block, gradients, requires_grad, 1)


def empty_like(
    tensor: TensorMap,
    gradients: str | Sequence[str] | None = None,
    requires_grad: bool = False,
) -> TensorMap:
    """A map with the same labels, to be filled: the same as `zeros_like`.

    Values and gradients: zero, because JAX has no uninitialised memory, and immutable
    arrays could not be filled. `TensorBlock.with_values` gives a block other values.

    Arguments and errors are those of `zeros_like`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> empty_like(TensorMap(Labels.single(), [block]))[0].values.ravel().tolist()
        [0.0, 0.0]
    """
    check_map("empty_like", tensor)
    return _constant("empty_like", tensor, gradients, requires_grad, 0)


def empty_like_block(
    block: TensorBlock,
    gradients: str | Sequence[str] | None = None,
    requires_grad: bool = False,
) -> TensorBlock:
    """`empty_like` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> empty_like_block(block).values.tolist()
        [[0.0], [0.0]]
    """
    check_block("empty_like_block", block)
    return _constant("empty_like_block", block, gradients, requires_grad, 0)


def random_uniform_like(
    key: Any,
    tensor: TensorMap | None = None,
    gradients: str | Sequence[str] | None = None,
    requires_grad: bool = False,
) -> TensorMap:
    """A map with the same labels whose values are random, uniform from 0 to below 1.

    Values: of the same dtype; complex ones have such real and imaginary parts. The key is
    folded with the number of each array in the map, so that all are different, and a block
    gets the same numbers whichever gradients are asked for, eagerly and under
    `jax.jit`. Gradients: random too, and no derivatives of the values. All are arrays of
    JAX, also where the map has numpy arrays.

    Arguments:
        key: a key of `jax.random`, to be used once. (metatensor has none: it draws from
            the state of numpy, which JAX does not know.)
        tensor: any map of floating point or complex numbers.
        gradients: as for `zeros_like`.
        requires_grad: as for `zeros_like`.

    Raises:
        InvalidTypeError: for anything but a key in the first place, and for integers and
            bools, among which there are no numbers between 0 and 1.
        MissingError: for a name that is no gradient.
        InvalidError: for several keys, and for ``requires_grad=True``.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> random = random_uniform_like(jax.random.key(0), tensor)
        >>> bool((random[0].values >= 0).all() and (random[0].values < 1).all())
        True
    """
    # The map has a default so that its place, taken by a key, is told by our own error.
    operation = "random_uniform_like"
    key = checked_key(operation, key)
    return _uniform(operation, key, check_map(operation, tensor), gradients, requires_grad)


def random_uniform_like_block(
    key: Any,
    block: TensorBlock | None = None,
    gradients: str | Sequence[str] | None = None,
    requires_grad: bool = False,
) -> TensorBlock:
    """`random_uniform_like` for one block.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> block = TensorBlock(
        ...     jnp.ones((2, 1)), Labels.range("s", 2), [], Labels.range("n", 1)
        ... )
        >>> random_uniform_like_block(jax.random.key(0), block).shape
        (2, 1)
    """
    operation = "random_uniform_like_block"
    key = checked_key(operation, key)
    return _uniform(operation, key, check_block(operation, block), gradients, requires_grad)


def _constant(
    operation: str, data: Any, gradients: Any, requires_grad: bool, value: int
) -> Any:
    refuse_requires_grad(operation, requires_grad)
    like = run(plan_to_keep(operation, data, gradients), data)
    return type(like)._view(like._layout, constant_leaves(operation, like, value))


def _uniform(
    operation: str, key: Any, data: Any, gradients: Any, requires_grad: bool
) -> Any:
    refuse_requires_grad(operation, requires_grad)
    check_inexact(operation, data, "random numbers between 0 and 1")
    plan = plan_to_keep(operation, data, gradients)
    like = run(plan, data)
    numbers = plan.run(range(len(data._leaves)))
    leaves = uniform_leaves(operation, like, key, numbers)
    return type(like)._view(like._layout, leaves)
