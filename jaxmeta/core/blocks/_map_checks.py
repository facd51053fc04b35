"""What the constructor of TensorMap demands of its blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxmeta.core.blocks._block import TensorBlock
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts._layout import BlockLayout
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


WHERE = "TensorMap"


def checked_blocks(keys: Labels, blocks: Any) -> tuple[TensorBlock, ...]:
    """The blocks, when there is one per key and all are alike."""
    blocks = check_list(WHERE, "blocks must be a list of TensorBlock", blocks)
    _check_blocks(keys, blocks)
    return tuple(blocks)


def _check_blocks(keys: Labels, blocks: Sequence[TensorBlock]) -> None:
    """One block per key, and all blocks alike in names, dtype and gradients."""
    if not isinstance(keys, Labels):
        raise InvalidTypeError(
            compose(f"{WHERE}: the keys must be Labels.", f"found {type(keys).__name__}")
        )
    for index, block in enumerate(blocks):
        if not isinstance(block, TensorBlock):
            raise InvalidTypeError(
                compose(
                    f"{WHERE}: block {index} must be a TensorBlock.",
                    f"found {type(block).__name__}",
                )
            )
    if len(blocks) != len(keys):
        raise InvalidError(
            compose(
                f"{WHERE}: every key needs one block.",
                f"there are {len(keys)} keys and {len(blocks)} blocks",
            )
        )
    for index in range(1, len(blocks)):
        _check_dtype(keys, blocks, index)
    check_same_names(WHERE, keys, [block._layout for block in blocks])


def check_same_names(where: str, keys: Labels, blocks: Sequence[BlockLayout]) -> None:
    """Raise where the blocks of a map have other dimensions or gradients than the first.

    Raises:
        InvalidError: whose message begins with `where`.
    """
    for index in range(1, len(blocks)):
        if blocks[index] is not blocks[0]:
            _check_names(where, keys, index, blocks[0], blocks[index], "")


def _check_dtype(keys: Labels, blocks: Sequence[TensorBlock], index: int) -> None:
    if blocks[index].dtype != blocks[0].dtype:
        raise InvalidTypeError(
            compose(
                f"{WHERE}: all blocks must have the same dtype.",
                f"block {keys.entry(0).print()} has {blocks[0].dtype}, "
                f"block {keys.entry(index).print()} has {blocks[index].dtype}",
                remedy="convert on purpose, with block.to(dtype=...).",
            )
        )


def _check_names(
    where: str,
    keys: Labels,
    index: int,
    first: BlockLayout,
    other: BlockLayout,
    gradient: str,
) -> None:
    for axis in ("sample", "component", "property", "gradient"):
        left, right = _names(first, axis), _names(other, axis)
        if left != right:
            whose = f" of gradient {gradient!r}" if gradient else ""
            raise InvalidError(
                compose(
                    f"{where}: all blocks must have the same {axis} names{whose}.",
                    f"block {keys.entry(0).print()} has {list(left)}, "
                    f"block {keys.entry(index).print()} has {list(right)}",
                )
            )
    for (name, left), (_, right) in zip(first.gradients, other.gradients, strict=True):
        path = f"{gradient}/{name}" if gradient else name
        _check_names(where, keys, index, left, right, path)


def _names(layout: BlockLayout, axis: str) -> tuple[str, ...]:
    if axis == "sample":
        return layout.sample_names
    if axis == "component":
        return layout.component_names
    if axis == "property":
        return layout.properties._names
    return tuple(name for name, _ in layout.gradients)


def checked_info(info: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Info as sorted pairs of strings."""
    pairs = {} if info is None else info
    if not isinstance(pairs, Mapping):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: info must be a dictionary of strings.",
                f"found {type(info).__name__}",
            )
        )
    for name, value in pairs.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidTypeError(
                compose(
                    f"{WHERE}: info maps strings to strings.",
                    f"found {name!r}: {value!r}",
                    remedy="write other values as text on purpose, for instance with "
                    "str(...) or json.dumps(...).",
                )
            )
    return tuple(sorted(pairs.items()))
