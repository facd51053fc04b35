"""From maps, blocks and labels to the members of an archive."""

from __future__ import annotations

import json
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.errors import DynamicSamplesError, InvalidError, InvalidTypeError, compose
from jaxmeta.io.npy import array_header, labels_header, little_endian
from jaxmeta.io.writing import Item


def map_items(tensor: TensorMap) -> list[Item]:
    """The members of a map, in the order of the format."""
    _start_transfers(tensor._leaves)
    writer = _Items()
    writer.add_labels("keys.npy", tensor.keys)
    for i, block in enumerate(tensor):
        writer.add_block(f"blocks/{i}/", block, is_gradient=False)
    info = tensor.info()
    return [*writer.items, _info_item(info)] if info else writer.items


def block_items(block: TensorBlock) -> list[Item]:
    """The members of a single block."""
    _start_transfers(block._leaves)
    writer = _Items()
    writer.add_block("", block, is_gradient=False)
    return writer.items


def _start_transfers(leaves: tuple[Any, ...]) -> None:
    """Let all arrays travel to the host at once, before the first is waited for."""
    for leaf in leaves:
        if isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer):
            leaf.copy_to_host_async()


class _Items:
    """Collects members; labels that stand in many blocks are encoded once."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._known: dict[Labels, Item] = {}
        self._dtype: Any = None

    def add_block(self, prefix: str, block: TensorBlock, *, is_gradient: bool) -> None:
        """The members of one block and of its gradients."""
        name = f"{prefix}values.npy"
        self.items.append(Item.of(name, *_array_parts(name, block.values)))
        self.add_labels(f"{prefix}samples.npy", block.samples)
        for i, component in enumerate(block.components):
            self.add_labels(f"{prefix}components/{i}.npy", component)
        if not is_gradient:
            self.add_labels(f"{prefix}properties.npy", block.properties)
        self._check_fit(name, block)
        for parameter, gradient in block.gradients():
            self.add_block(f"{prefix}gradients/{parameter}/", gradient, is_gradient=True)

    def _check_fit(self, name: str, block: TensorBlock) -> None:
        """Functions of pytrees may leave arrays that fit no labels, or of mixed dtypes."""
        values, axes = block.values, (block.samples, *block.components, block.properties)
        shape = tuple(len(labels) for labels in axes if isinstance(labels, Labels))
        self._dtype = values.dtype if self._dtype is None else self._dtype
        if values.shape != shape or values.dtype != self._dtype:
            raise _misfit(name, values, self._dtype, shape)

    def add_labels(self, name: str, labels: Labels | DynamicLabels) -> None:
        """The member of one axis."""
        if isinstance(labels, DynamicLabels):
            raise _dynamic(name, labels)
        known = self._known.get(labels)
        if known is None:
            known = self._known[labels] = Item.of(name, *labels_parts(labels))
        self.items.append(known.named(name))


def _misfit(name: str, values: Any, dtype: Any, shape: tuple[int, ...]) -> InvalidError:
    return InvalidError(
        compose(
            f"save: {name} would not fit its labels or the values before it.",
            f"found {values.dtype} of shape {tuple(values.shape)}, it should be {dtype} of "
            f"shape {shape}",
            remedy="save maps and blocks as they were made, not what jax.tree.map or vmap "
            "left of their arrays.",
        )
    )


def _array_parts(name: str, values: Any) -> tuple[bytes, np.ndarray]:
    is_array = isinstance(values, np.ndarray | jax.Array)
    if not is_array or isinstance(values, Tracer):
        raise InvalidTypeError(
            compose(
                f"save: {name} would hold no array.",
                f"found {type(values).__name__}",
                remedy="save outside transformed functions, data with arrays as values.",
            )
        )
    array = np.asarray(values)
    return array_header(array.dtype, array.shape, name), little_endian(array)


def _dynamic(name: str, labels: DynamicLabels) -> DynamicSamplesError:
    return DynamicSamplesError(
        compose(
            f"save: {name} would hold dynamic samples.",
            f"found {labels.capacity} rows, of which some may be padding",
            remedy="unpad(...) the data first: it keeps the rows that are in use.",
        )
    )


def labels_parts(labels: Labels) -> tuple[bytes, np.ndarray]:
    """The header of labels and the bytes that follow it."""
    return labels_header(labels._names, len(labels)), little_endian(labels.values)


def _info_item(info: dict[str, str]) -> Item:
    text = json.dumps(info, indent=2, ensure_ascii=False, sort_keys=True)
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidError(
            compose(
                "save: the info holds half a character (a lone surrogate).",
                f"at position {error.start} of {text[:60]!a}...",
                remedy="replace it: UTF-8 has no bytes for it.",
            )
        ) from error
    return Item.of("info.json", b"", np.frombuffer(content, np.uint8))
