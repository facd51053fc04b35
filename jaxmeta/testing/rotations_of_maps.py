"""Maps that are turned: spherical and Cartesian components, also those of gradients."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import BlockLayout, Dynamic
from jaxmeta.errors import (
    InvalidError,
    InvalidTypeError,
    MissingError,
    choices,
    compose,
)
from jaxmeta.testing.rotations import checked_matrix, wigner_d


_CARTESIAN = re.compile(r"xyz(_.*)?")
_SPHERICAL = re.compile(r"o3_mu(?P<end>_.*)?")


class Turn(NamedTuple):
    """A matrix, and the components that it does not turn."""

    matrix: np.ndarray
    fixed: tuple[str, ...]


def transform_tensor(
    tensor: TensorMap, matrix: Any, *, fixed: Sequence[str] = ()
) -> TensorMap:
    r"""A map as it is for structures that are turned by a matrix.

    Values: every component that turns is multiplied by its own matrix. Components called
    ``xyz`` or ``xyz_...`` by :math:`R`; ``o3_mu`` by :math:`D^\lambda(R)` of `wigner_d`,
    with :math:`\lambda` the key ``o3_lambda``, and also by :math:`\sigma`, the key
    ``o3_sigma``, where :math:`R` is improper; ``o3_mu_...`` in the same way by
    ``o3_lambda_...`` and ``o3_sigma_...``. Gradients: in the same way, their own components
    too, so that those by ``positions`` and by ``strain`` are those by turned positions and
    strain.

    Samples, static or dynamic, and all labels stay as they are. It is linear, and is
    compiled, mapped and differentiated as any other function of the values.

    Arguments:
        tensor: a map of floating point numbers.
        matrix: an orthogonal matrix of shape ``(3, 3)``, with determinant 1 or -1, that is
            known when a program is traced.
        fixed: names of components that stay as they are, as ``abc``, which counts the
            vectors of a cell. In gradients by ``cell`` of featomic 0.6 the names ``xyz``
            and ``abc`` stand the wrong way round: exchange them first.

    Returns:
        A map with the labels, dtype and info of `tensor`.

    Raises:
        InvalidTypeError: for anything but a map of floating point numbers, or a matrix
            that is no array of real numbers.
        InvalidError: for a matrix that is not orthogonal, or components whose labels are
            not 0, 1, 2 or -lambda, ..., lambda.
        MissingError: for keys that do not say how a spherical component turns, and for
            components whose names do not.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock
        >>> keys, mu = Labels(["o3_lambda", "o3_sigma"], [[1, 1]]), [[-1], [0], [1]]
        >>> axes = Labels.range("atom", 1), [Labels("o3_mu", mu)], Labels.range("n", 1)
        >>> values = jnp.array([[[0.0], [0.0], [1.0]]])  # orders -1, 0, 1: along x
        >>> vector = TensorMap(keys, [TensorBlock(values, *axes)])
        >>> quarter = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # about z: x to y
        >>> transform_tensor(vector, quarter)[0].values.ravel().tolist()
        [1.0, 0.0, 0.0]
    """
    where = "transform_tensor"
    _check_tensor(where, tensor)
    turn = Turn(checked_matrix(where, matrix), _names(where, fixed))
    own = tensor._layout
    leaves: list[Any] = []
    for index, block in enumerate(own.blocks):
        row = own.keys.values[index].tolist()
        key = dict(zip(own.keys.names, row, strict=True))
        start = own.offsets[index]
        name = block_name(own.keys, index)
        leaves += _turned(name, block, key, tensor._leaves[start:], turn)
    return TensorMap._view(own, tuple(leaves))


def _check_tensor(where: str, tensor: Any) -> None:
    if not isinstance(tensor, TensorMap):
        raise InvalidTypeError(
            compose(
                f"{where}: the argument must be a TensorMap.",
                f"found {type(tensor).__name__}",
            )
        )
    if tensor.dtype is not None and not jnp.issubdtype(tensor.dtype, np.inexact):
        raise InvalidTypeError(
            compose(
                f"{where}: only floating point numbers turn.",
                f"the values are {tensor.dtype}",
                remedy="convert on purpose first: tensor.to(dtype=...).",
            )
        )


def _names(where: str, fixed: Any) -> tuple[str, ...]:
    """Names of components: a list of strings."""
    names: list[Any] = (
        [None] if isinstance(fixed, str) else check_list(where, "fixed names", fixed)
    )
    if not all(isinstance(name, str) for name in names):
        raise InvalidTypeError(
            compose(f"{where}: fixed is a list of names.", f"found {fixed!r:.100}")
        )
    return tuple(names)


def _turned(
    name: str, block: BlockLayout, key: Mapping[str, int], leaves: Any, turn: Turn
) -> list[Any]:
    """The leaves of a block and of its gradients."""
    values = leaves[0]
    for axis, labels in enumerate(block.components, start=1):
        table = _matrix_of(name, labels, key, turn)
        if table is not None:
            values = _along(values, axis, table)
    found = [values]
    if isinstance(block.samples, Dynamic):
        found.append(leaves[1])
    for parameter, gradient in block.gradients:
        below = leaves[block.offsets[parameter] :]
        inner = f"gradient {parameter!r} of {name}"
        found += _turned(inner, gradient, key, below, turn)
    return found


def _along(values: Any, axis: int, table: np.ndarray) -> Any:
    """An axis multiplied by a matrix."""
    numbers = jnp.asarray(table.astype(values.dtype))
    found = jnp.tensordot(values, numbers, axes=((axis,), (1,)), precision="highest")
    return jnp.moveaxis(found, -1, axis)


def _matrix_of(
    name: str, labels: Labels, key: Mapping[str, int], turn: Turn
) -> np.ndarray | None:
    """What a component is multiplied by; None if it stays as it is."""
    own = labels.names[0]
    if own in turn.fixed:
        return None
    spherical = _SPHERICAL.fullmatch(own)
    if spherical is None and _CARTESIAN.fullmatch(own) is None:
        raise _unknown(name, own)
    if spherical is None:
        _check_labels(name, labels, 0, 2)
        return turn.matrix
    end = spherical["end"] or ""
    degree = _number(name, key, f"o3_lambda{end}")
    if degree < 0:
        raise InvalidError(
            compose(f"transform_tensor: o3_lambda{end} of {name} is negative.")
        )
    _check_labels(name, labels, -degree, degree)
    table = _wigner(degree, turn.matrix.tobytes())
    if np.linalg.det(turn.matrix) > 0:
        return table
    return _sign(name, key, f"o3_sigma{end}") * table


def _unknown(name: str, own: str) -> MissingError:
    return MissingError(
        compose(
            f"transform_tensor: nothing says how {own!r} of {name} turns.",
            choices(own, ["xyz", "xyz_1", "xyz_2", "o3_mu"]),
            remedy=f"rename_dimension() gives components another name; fixed=[{own!r}] "
            "leaves this one as it is.",
        )
    )


@lru_cache(maxsize=256)
def _wigner(degree: int, matrix: bytes) -> np.ndarray:
    return wigner_d(degree, np.frombuffer(matrix).reshape(3, 3))


def _number(name: str, key: Mapping[str, int], dimension: str) -> int:
    if dimension not in key:
        raise MissingError(
            compose(
                f"transform_tensor: the keys do not say how {name} turns.",
                f"there is no dimension {dimension!r}",
                choices(dimension, key),
                remedy="insert_dimension() gives keys another dimension: o3_lambda is the "
                "degree, o3_sigma is 1 for proper tensors, -1 for improper ones.",
            )
        )
    return key[dimension]


def _sign(name: str, key: Mapping[str, int], dimension: str) -> int:
    found = _number(name, key, dimension)
    if found not in (1, -1):
        raise InvalidError(
            compose(
                f"transform_tensor: {dimension} of {name} is 1 or -1.", f"found {found}"
            )
        )
    return found


def _check_labels(name: str, labels: Labels, first: int, last: int) -> None:
    wanted = list(range(first, last + 1))
    found = labels.values[:, 0].tolist()
    if found != wanted:
        raise InvalidError(
            compose(
                f"transform_tensor: the component {labels.names[0]!r} of {name} has other "
                "labels.",
                f"found {found}, expected {wanted}",
            )
        )
