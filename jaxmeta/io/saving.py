"""From maps, blocks and labels to the members of an archive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.errors import DynamicSamplesError, InvalidError, InvalidTypeError, compose
from jaxmeta.io.npy import array_header, labels_header, little_endian
from jaxmeta.io.writing import Item


def map_items(tensor: TensorMap) -> list[Item]:
    """The members of a map, in the order of the format."""
    _start_transfers(tensor._leaves)
    items = [_labels_item("keys.npy", tensor.keys)]
    for i, block in enumerate(tensor):
        items.extend(_block_items(f"blocks/{i}/", block, is_gradient=False))
    info = tensor.info()
    return [*items, _info_item(info)] if info else items


def block_items(block: TensorBlock) -> list[Item]:
    """The members of a single block."""
    _start_transfers(block._leaves)
    return list(_block_items("", block, is_gradient=False))


def _start_transfers(leaves: tuple[Any, ...]) -> None:
    """Let all arrays travel to the host at once, before the first is waited for."""
    for leaf in leaves:
        if isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer):
            leaf.copy_to_host_async()


def _block_items(prefix: str, block: TensorBlock, *, is_gradient: bool) -> Iterator[Item]:
    yield _array_item(f"{prefix}values.npy", block.values)
    yield _labels_item(f"{prefix}samples.npy", block.samples)
    for i, component in enumerate(block.components):
        yield _labels_item(f"{prefix}components/{i}.npy", component)
    if not is_gradient:
        yield _labels_item(f"{prefix}properties.npy", block.properties)
    for parameter, gradient in block.gradients():
        inner = f"{prefix}gradients/{parameter}/"
        yield from _block_items(inner, gradient, is_gradient=True)


def _array_item(name: str, values: Any) -> Item:
    if isinstance(values, jax.core.Tracer) or not isinstance(values, np.ndarray | jax.Array):
        raise InvalidTypeError(
            compose(
                f"save: {name} would hold no array.",
                f"found {type(values).__name__}",
                remedy="save outside transformed functions, data with arrays as values.",
            )
        )
    array = np.asarray(values)
    return Item(name, array_header(array.dtype, array.shape, name), little_endian(array))


def _labels_item(name: str, labels: Labels | DynamicLabels) -> Item:
    if isinstance(labels, DynamicLabels):
        raise DynamicSamplesError(
            compose(
                f"save: {name} would hold dynamic samples.",
                f"found {labels.capacity} rows, of which some may be padding",
                remedy="unpad(...) the data first: it keeps the rows that are in use.",
            )
        )
    return Item(name, *labels_parts(labels))


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
                f"at position {error.start} of {ascii(text[:60])}...",
                remedy="replace it: UTF-8 has no bytes for it.",
            )
        ) from error
    return Item("info.json", b"", np.frombuffer(content, np.uint8))
