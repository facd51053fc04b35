"""Tensors from Cartesian to spherical components, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import Labels, TensorMap
from jaxmeta.core.device._device_checks import mode
from jaxmeta.core.labels._arguments import check_bool, check_list
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._precision import check_inexact
from jaxmeta.core.plans._plans import plan_for
from jaxmeta.core.plans._results import bare, run
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose
from jaxmeta.operations._arguments import check_map, check_number
from jaxmeta.operations.block_selection import filter_blocks
from jaxmeta.representations.clebsch_gordan._cartesian_paths import (
    Path,
    cartesian_plan,
    history_names,
    paths_of,
    sigma_of,
    spherical_plan,
)


def cartesian_to_spherical(
    tensor: TensorMap,
    components: Sequence[str],
    keep_l_in_keys: bool | None = None,
    remove_blocks_threshold: float | None = 1e-9,
) -> TensorMap:
    r"""A tensor with Cartesian components, in spherical ones.

    Values: a vector becomes the harmonic of degree 1, its orders -1, 0, 1 being :math:`y,
    z, x`. Tensors of higher rank are coupled by `cg_couple`, from the last component to
    the first, which is an orthogonal change of basis. Gradients: it is linear, so they
    change in the same way.

    Arguments:
        tensor: any map of floating point numbers without ``o3_lambda`` among its keys.
        components: names of components to change, in the order in which they stand next
            to each other; each has the entries 0, 1, 2.
        keep_l_in_keys: tell by which degrees each block was coupled, by the keys ``l_1``
            (that of the last component), ``l_2``, ... and ``k_1``, ... (those between).
            By default only from rank 3 upwards, where they are needed.
        remove_blocks_threshold: leave out blocks for which the sum of all squares, of
            values and of gradients, is not larger: those of other symmetries than the
            tensor has. None keeps all of them, and is needed where values are traced.

    Returns:
        A map with keys ``o3_lambda, o3_sigma`` (and those of the path) before those of the
        tensor, and one component ``o3_mu`` in place of `components`.

    Raises:
        MissingError: for components that are not there.
        InvalidError: for components that stand apart or are not x, y, z, for a tensor that
            is spherical already, and for a rank of 3 or more without the path in its keys.
        InvalidTypeError: for anything but maps of floating point numbers and names; for
            traced values with a threshold.

    Source: metadata and values are those of
    ``featomic.clebsch_gordan.cartesian_to_spherical`` 0.6.

    Example:
        >>> from jaxmeta import TensorBlock
        >>> xyz = [Labels.range("xyz_1", 3), Labels.range("xyz_2", 3)]
        >>> axes = Labels.range("system", 1), xyz, Labels.range("stress", 1)
        >>> unit = TensorBlock(jnp.eye(3)[None, :, :, None], *axes)
        >>> tensor = TensorMap(Labels.single(), [unit])
        >>> spherical = cartesian_to_spherical(tensor, ["xyz_1", "xyz_2"])
        >>> spherical.keys.values.tolist(), spherical[0].values.ravel().tolist()
        ([[0, 1, 0]], [-1.732...])
    """
    where = "cartesian_to_spherical"
    check_map(where, tensor)
    check_inexact(where, tensor, "the coefficients")
    names = _components(where, tensor, components)
    keep = len(names) > 2
    if keep_l_in_keys is not None:
        keep = check_bool(where, "keep_l_in_keys", keep_l_in_keys)
    if len(names) > 2 and not keep:
        raise InvalidError(
            compose(
                f"{where}: keep_l_in_keys is needed for {len(names)} components.",
                "several blocks would have the same o3_lambda and o3_sigma",
            )
        )
    _check_cartesian_keys(where, tensor, len(names))
    if remove_blocks_threshold is not None:
        check_number(where, "remove_blocks_threshold", remove_blocks_threshold)
    plan = plan_for(bare(tensor._layout), spherical_plan, names, keep, mode())
    found = run(plan, tensor)
    if remove_blocks_threshold is None:
        return found
    return _without_zeros(where, found, remove_blocks_threshold)


def spherical_to_cartesian(
    tensor: TensorMap, new_component_names: Sequence[str] | None = None
) -> TensorMap:
    r"""A tensor with spherical components, in Cartesian ones.

    The exact inverse of `cartesian_to_spherical`; blocks that are not there are zero.
    Values: :math:`\sum_\lambda` of the transposed changes of basis. Gradients: it is
    linear, so they change in the same way; their rows are the union of those of all blocks
    that make one tensor.

    Arguments:
        tensor: a map with keys ``o3_lambda`` and ``o3_sigma``, from rank 3 upwards with
            ``l_1, l_2, l_3, k_1, ...`` too, and a component ``o3_mu``. Without ``l_1, ...``
            the rank is the highest degree, 1 or 2.
        new_component_names: one for each component; ``xyz_1, xyz_2, ...`` by default.

    Returns:
        A map with the remaining keys (``_`` if there are none), in order of first
        appearance, and `new_component_names` with entries 0, 1, 2 in place of ``o3_mu``.

    Raises:
        MissingError: for keys or components that are not there.
        InvalidError: for degrees and signs that no proper tensor of this rank has, blocks
            of other components, and another number of names than the rank.
        NotEqualError: for blocks of one tensor with other samples or properties.
        InvalidTypeError: for anything but maps of floating point numbers, and names.

    Source: metadata and values are those of
    ``featomic.clebsch_gordan.spherical_to_cartesian`` 0.6.

    Example:
        >>> from jaxmeta import TensorBlock
        >>> keys, mu = Labels(["o3_lambda", "o3_sigma"], [[1, 1]]), [[-1], [0], [1]]
        >>> axes = Labels.range("atom", 1), [Labels("o3_mu", mu)], Labels.range("n", 1)
        >>> values = jnp.array([[[2.0], [3.0], [1.0]]])  # y, z, x
        >>> tensor = TensorMap(keys, [TensorBlock(values, *axes)])
        >>> spherical_to_cartesian(tensor, ["xyz"])[0].values.ravel().tolist()
        [1.0, 2.0, 3.0]
    """
    where = "spherical_to_cartesian"
    check_map(where, tensor)
    check_inexact(where, tensor, "the coefficients")
    if len(tensor) == 0:
        return tensor
    _check_spherical(where, tensor)
    rank = _rank_of(where, tensor.keys)
    names = _new_names(where, tensor, rank, new_component_names)
    keys, groups = _groups(where, tensor.keys, rank)
    own = bare(tensor._layout)
    return run(plan_for(own, cartesian_plan, keys, groups, names, mode()), tensor)


# Arguments ------------------------------------------------------------------------------


def _components(where: str, tensor: TensorMap, components: Any) -> tuple[str, ...]:
    """The names of components of a map."""
    if isinstance(components, str):
        raise InvalidTypeError(
            compose(f"{where}: components are a list of names.", f"found {components!r}")
        )
    names = check_list(where, "components are a list of names", components)
    known = tensor.component_names if len(tensor) else names
    for name in names:
        if name not in known:
            raise MissingError(
                compose(f"{where}: there is no component {name!r}.", choices(name, known))
            )
    if not names:
        raise InvalidError(compose(f"{where}: there are no components to change."))
    return tuple(names)


def _check_cartesian_keys(where: str, tensor: TensorMap, rank: int) -> None:
    for name in ("o3_lambda", "o3_sigma", *history_names(rank)):
        if name in tensor.keys.names:
            raise InvalidError(
                compose(
                    f"{where}: the keys have a dimension {name!r} already.",
                    f"they are {tensor.keys.names}",
                    remedy="is the tensor spherical? else rename_dimension() first.",
                )
            )


def _without_zeros(where: str, tensor: TensorMap, threshold: float) -> TensorMap:
    """The blocks that are not zero, gradients included."""
    if any(isinstance(leaf, Tracer) for leaf in tensor._leaves):
        raise InvalidTypeError(
            compose(
                f"{where}: which blocks are zero is not known while values are traced.",
                remedy="remove_blocks_threshold=None keeps all blocks; drop_blocks() "
                "leaves out those of a known symmetry.",
            )
        )
    own = tensor._layout
    kept = []
    for index in range(len(own.blocks)):
        leaves = tensor._leaves[own.offsets[index] : own.offsets[index + 1]]
        floats = [x for x in leaves if jnp.issubdtype(x.dtype, np.inexact)]
        total = sum(float(jnp.sum(jnp.abs(x) ** 2)) for x in floats)
        if not total <= threshold:  # what is no number stays
            kept.append(index)
    if len(kept) == len(own.blocks):
        return tensor
    rows = tensor.keys.values[kept]
    return filter_blocks(tensor, Labels(tensor.keys.names, rows, assume_unique=True))


def _check_spherical(where: str, tensor: TensorMap) -> None:
    for what, names, wanted in (
        ("keys", tensor.keys.names, ("o3_lambda", "o3_sigma")),
        ("components", tensor.component_names, ("o3_mu",)),
    ):
        for name in wanted:
            if name not in names:
                raise MissingError(
                    compose(
                        f"{where}: the {what} have no {name!r}.",
                        choices(name, names),
                        remedy="is the tensor Cartesian already?",
                    )
                )


def _rank_of(where: str, keys: Labels) -> int:
    """How many Cartesian components there will be."""
    rank = 0
    while f"l_{rank + 1}" in keys.names:
        rank += 1
    highest = int(keys.column("o3_lambda").max())
    rank = max(rank, highest) if rank <= 2 else rank
    if rank == 0:
        raise InvalidError(
            compose(
                f"{where}: a tensor of degree 0 alone may have any rank.",
                remedy="insert_dimension() gives keys the dimensions l_1, l_2, which say "
                "it: all of them are 1.",
            )
        )
    missing = [name for name in history_names(rank) if name not in keys.names]
    if rank > 2 and missing:
        raise MissingError(
            compose(
                f"{where}: the keys do not say how a tensor of rank {rank} was coupled.",
                f"they are {keys.names}, and lack {missing}",
                remedy="cartesian_to_spherical() adds them.",
            )
        )
    return rank


def _new_names(where: str, tensor: TensorMap, rank: int, given: Any) -> tuple[str, ...]:
    names = [f"xyz_{i}" for i in range(1, rank + 1)]
    if given is not None:
        what = "new_component_names are a list of names"
        names = [given] if isinstance(given, str) else check_list(where, what, given)
    if len(names) != rank:
        raise InvalidError(
            compose(
                f"{where}: new_component_names must have a name for each component.",
                f"the tensor has rank {rank}, found {names}",
            )
        )
    others = [name for name in tensor.component_names if name != "o3_mu"]
    if len({*names, *others}) < len(names) + len(others):
        raise InvalidError(
            compose(
                f"{where}: two components would have the same name.",
                f"the new ones are {names}, the others {others}",
            )
        )
    return tuple(names)


def _groups(
    where: str, keys: Labels, rank: int
) -> tuple[Labels, tuple[tuple[tuple[int, Path], ...], ...]]:
    """The keys that remain, and for each of them the blocks with their paths."""
    history = {"o3_lambda", "o3_sigma", *history_names(rank)}
    rest = [name for name in keys.names if name not in history]
    known = set(paths_of(rank))
    groups: dict[tuple[int, ...], list[tuple[int, Path]]] = {}
    for index, row in enumerate(keys.values.tolist()):
        key = dict(zip(keys.names, row, strict=True))
        path = (*(key[f"k_{i}"] for i in range(1, rank - 1)), key["o3_lambda"])
        units = {key.get(f"l_{i}", 1) for i in range(1, rank + 1)}
        if path not in known or units != {1} or key["o3_sigma"] != sigma_of(path, rank):
            raise InvalidError(
                compose(
                    f"{where}: the {block_name(keys, index)} is none of a proper tensor of "
                    f"rank {rank}.",
                    "all l_i are 1, k_1 is 0, 1 or 2, each degree differs by 1 at most "
                    "from the one before, and o3_sigma is 1 where an even number of them "
                    "stay the same",
                )
            )
        groups.setdefault(tuple(key[name] for name in rest), []).append((index, path))
    table = np.array([*groups], np.int32).reshape(len(groups), -1)
    found = Labels(rest, table, assume_unique=True) if rest else Labels.single()
    return found, tuple(tuple(group) for group in groups.values())
