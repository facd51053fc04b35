"""Gives the classes of the core their methods ``load``, ``save`` and so on.

The core knows no file format and imports nothing from here: this file, imported with the
room, hands it the functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from jaxmeta.core.labels import _storage
from jaxmeta.io import mts


@dataclasses.dataclass(frozen=True)
class FileFormat:
    """The four functions for one class."""

    load: Callable[..., Any]
    load_buffer: Callable[..., Any]
    save: Callable[..., None] = mts.save
    save_buffer: Callable[..., memoryview] = mts.save_buffer


_storage.register("TensorMap", FileFormat(mts.load, mts.load_buffer))
_storage.register("TensorBlock", FileFormat(mts.load_block, mts.load_block_buffer))
_storage.register("Labels", FileFormat(mts.load_labels, mts.load_labels_buffer))
