"""Extra inputs of several systems, under each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxmeta.atomistic.systems import System
from jaxmeta.core import TensorMap, unpad
from jaxmeta.data.collating import collate
from jaxmeta.data.datasets import Dataset
from jaxmeta.errors import NotEqualError, compose


def joined_data(systems: Sequence[System], dtype: Any, room: Any) -> dict[str, TensorMap]:
    """The data of all systems by name; the system of each row is its number in the batch.

    With `room` the samples are dynamic: as many rows as there is room for atoms, or for
    systems where samples have no atoms.

    Raises:
        NotEqualError: for systems with other data than the first.
    """
    names = sorted(systems[0].data)
    for index, system in enumerate(systems):
        if sorted(system.data) != names:
            raise NotEqualError(
                compose(
                    f"to_batch: system {index} has other data than system 0.",
                    f"found {sorted(system.data)}, and {names}",
                )
            )
    return {name: _joined(name, systems, dtype, room) for name in names}


def _joined(name: str, systems: Sequence[System], dtype: Any, room: Any) -> TensorMap:
    maps = [system.data[name] for system in systems]
    dataset = Dataset(data=maps)
    overflow = "grow" if room is None else "error"
    rows = 0 if room is None else _rows(maps[0], room)
    batch = collate(
        {"data": {"samples": rows}}, overflow=overflow, renumber="system", dtype=dtype
    )(list(dataset))
    (joined,) = batch
    return unpad(joined) if room is None else joined


def _rows(tensor: TensorMap, room: Any) -> int:
    return room.atoms if "atom" in tensor.sample_names else room.systems
