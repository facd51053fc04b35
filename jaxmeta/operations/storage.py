"""Storage: whether arrays lie in memory without gaps."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.operations._arguments import check_block, check_map


def is_contiguous(tensor: TensorMap) -> bool:
    """Whether all arrays lie in memory row by row, without gaps.

    Values and gradients: looked at where they are numpy arrays. JAX arrays count as
    contiguous: their layout in memory is the compiler's business.

    Arguments:
        tensor: any map.

    Raises:
        InvalidTypeError: for what is no map.

    Example:
        >>> import numpy as np
        >>> from jaxmeta import Labels
        >>> samples, properties = Labels.range("s", 3), Labels.range("n", 2)
        >>> block = TensorBlock(np.ones((2, 3)).T, samples, [], properties)
        >>> is_contiguous(TensorMap(Labels.single(), [block]))
        False
    """
    return _all_contiguous(check_map("is_contiguous", tensor))


def is_contiguous_block(block: TensorBlock) -> bool:
    """`is_contiguous` for one block.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels
        >>> is_contiguous_block(
        ...     TensorBlock(
        ...         jnp.ones((2, 3)).T, Labels.range("s", 3), [], Labels.range("n", 2)
        ...     )
        ... )
        True
    """
    return _all_contiguous(check_block("is_contiguous_block", block))


def make_contiguous(tensor: TensorMap) -> TensorMap:
    """The same map, with all arrays row by row in memory, without gaps.

    Values and gradients: the same numbers. Numpy arrays that are not contiguous are
    copied; all other arrays are shared with the given map.

    Arguments:
        tensor: any map.

    Raises:
        InvalidTypeError: for what is no map.

    Example:
        >>> import numpy as np
        >>> from jaxmeta import Labels
        >>> samples, properties = Labels.range("s", 3), Labels.range("n", 2)
        >>> block = TensorBlock(np.ones((2, 3)).T, samples, [], properties)
        >>> is_contiguous(make_contiguous(TensorMap(Labels.single(), [block])))
        True
    """
    return _contiguous(check_map("make_contiguous", tensor))


def make_contiguous_block(block: TensorBlock) -> TensorBlock:
    """`make_contiguous` for one block.

    Example:
        >>> import numpy as np
        >>> from jaxmeta import Labels
        >>> samples, properties = Labels.range("s", 3), Labels.range("n", 2)
        >>> block = TensorBlock(np.ones((2, 3)).T, samples, [], properties)
        >>> make_contiguous_block(block).values.flags.c_contiguous
        True
    """
    return _contiguous(check_block("make_contiguous_block", block))


def _has_gaps(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and not leaf.flags.c_contiguous


def _all_contiguous(data: Any) -> bool:
    return not any(_has_gaps(leaf) for leaf in data._leaves)


def _contiguous(data: Any) -> Any:
    leaves = tuple(
        np.ascontiguousarray(leaf) if _has_gaps(leaf) else leaf for leaf in data._leaves
    )
    return type(data)._view(data._layout, leaves)
