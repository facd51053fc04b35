"""Batches of one shape: structures under each other, padded, on the device at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import DynamicLabels, TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.core.layouts._layout import Layout
from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.data._forms import SAMPLES, Room, Slot, common_form, form_of, row_sizes
from jaxmeta.data._records import Record, record_class
from jaxmeta.data._stacking import Stack, stacked_rows
from jaxmeta.data.capacities import Bucket, checked_buckets, rows_of
from jaxmeta.data.grouping import columns_of, is_array, stacked
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, compose
from jaxmeta.operations._arguments import check_choice


_OVERFLOWS = ("error", "grow")

# The fields of a batch by name: the entries of each, and for maps their form.
_Columns: TypeAlias = dict[str, tuple[Any, ...]]


def collate(
    capacities: Any,
    *,
    overflow: str = "error",
    renumber: str | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Collate:
    """A function from several samples to one batch, padded to a capacity.

    Maps: rows of all structures under each other, as `jaxmeta.join` does, with dynamic
    samples and padding up to the capacity, as `jaxmeta.pad` does. Values and gradients
    alike, at every depth. Blocks that a structure lacks have no rows of it.

    Arrays: under each other; zeros up to the capacity, if there is one for the field.
    Everything else is grouped in tuples.

    All of it happens in numpy; one transfer brings the batch to the device.

    Arguments:
        capacities: what `buckets` gives; or capacities by field, ``{"energy":
            {"samples": 8, "positions": 200}}``, as for `jaxmeta.pad`, a list of numbers
            where blocks differ; or several of these. The smallest that has room is taken.
        overflow: where none has room, ``"error"`` raises, ``"grow"`` makes room, in steps
            of a factor of 1.4, so that few programs are compiled.
        renumber: a dimension of the samples that becomes the number of the structure in
            the batch, ``"system"`` for instance; None keeps all labels.
        dtype: convert floating numbers to this dtype, on purpose.
        device: a device or sharding of JAX, its default device by default.

    Returns:
        A function that takes a list of samples and gives a named tuple `Batch`. It raises
        an InvalidError where a batch has no room, with the capacity that it takes, and
        where two structures have the same sample; a MissingError for a map without
        capacities; a NotEqualError for structures of other kinds; an InvalidTypeError
        for dtypes that differ; a DynamicSamplesError for samples that are dynamic
        already; a PrecisionError for what JAX would round.

    Raises:
        InvalidError: for an `overflow` that is none of these.
        InvalidTypeError: for capacities that are none.

    Example:
        >>> from jaxmeta.core import Labels
        >>> from jaxmeta.data.datasets import Dataset
        >>> def of(energy):
        ...     block = TensorBlock(
        ...         np.array([[energy]]), Labels("system", [[0]]), [], Labels.single()
        ...     )
        ...     return TensorMap(Labels.single(), [block])
        >>> dataset = Dataset(energy=[of(0.5), of(1.5)])
        >>> batch = collate({"energy": 3}, renumber="system")(list(dataset))
        >>> batch.energy[0].values.ravel().tolist()
        [0.5, 1.5, 0.0]
        >>> batch.energy[0].samples.to_labels()["system"].tolist()
        [0, 1]
    """
    check_choice("collate", "overflow", overflow, _OVERFLOWS)
    wanted = None if dtype is None else jnp.dtype(dtype)
    return Collate(checked_buckets(capacities), overflow, renumber, wanted, device)


@dataclasses.dataclass(frozen=True)
class Collate:
    """What `collate` gives. A function that can be pickled, for grain's ``batch_fn``."""

    buckets: tuple[Bucket, ...]
    overflow: str
    renumber: str | None
    dtype: Any
    device: Any

    def __call__(self, batch: Sequence[Any]) -> Record:
        """The batch of some samples."""
        names, found = columns_of("collate", batch)
        columns = dict(zip(names, found, strict=True))
        forms = self._forms(columns)
        stacks = {name: Stack(name, form, columns[name]) for name, form in forms.items()}
        rooms = self._rooms(forms, stacks, columns)
        filled = {
            name: self._filled(name, column, stacks.get(name), rooms)
            for name, column in columns.items()
        }
        # One call for all arrays; what stays on the host has none.
        moved = jax.device_put([leaves for leaves, _ in filled.values()], self.device)
        entries = (
            finish(leaves)
            for leaves, (_, finish) in zip(moved, filled.values(), strict=True)
        )
        return record_class("Batch", names)(*entries)

    def _forms(self, columns: _Columns) -> dict[str, Layout]:
        known = self.buckets[0].forms
        return {
            name: known.get(name) or common_form(name, [form_of(one) for one in column])
            for name, column in columns.items()
            if isinstance(column[0], TensorMap)
        }

    # Room ---------------------------------------------------------------------------

    def _rooms(
        self,
        forms: Mapping[str, Layout],
        stacks: Mapping[str, Stack],
        columns: _Columns,
    ) -> Mapping[str, Room]:
        """The rooms of the smallest bucket that does."""
        several = [_for_forms(bucket, forms) for bucket in self.buckets]
        needed: dict[Slot, int] = {}
        for name, column in columns.items():
            if name in stacks:
                needed |= stacks[name].rows()
            elif name in several[-1].rooms and is_array(column[0]):
                for bucket in several:
                    _check_for_array(name, bucket.rooms.get(name, {}))
                needed[Slot(name, SAMPLES, 0)] = sum(map(rows_of, column))
        for bucket in several:
            if not bucket.lacks(needed):
                return bucket.rooms
        if self.overflow == "grow":
            return _grown(several[-1], needed)
        raise _no_room(several[-1], needed, forms)

    # Filling ------------------------------------------------------------------------

    def _filled(
        self,
        name: str,
        column: tuple[Any, ...],
        stack: Stack | None,
        rooms: Mapping[str, Room],
    ) -> tuple[list[np.ndarray], Any]:
        """The arrays of one field, and what makes the field of those on the device."""
        if stack is not None:
            dtype = self._dtype(name, [one.dtype for one in column])
            layout = stack.form.with_info(_common_info(column))
            return stack.leaves(rooms[name], self.renumber, dtype), _Whole(layout)
        if not is_array(column[0]):
            return [], _Kept(column)
        dtype = self._dtype(name, [one.dtype for one in column])
        arrays = [np.asarray(one) for one in column]
        if name in rooms:
            (room,) = rooms[name][SAMPLES]
            return [stacked_rows(name, arrays, room, dtype)], _only
        return [stacked(name, arrays).astype(dtype, copy=False)], _only

    def _dtype(self, name: str, dtypes: Sequence[Any]) -> np.dtype:
        found = set(dtypes) - {None}
        if len(found) > 1:
            raise InvalidTypeError(
                compose(
                    f"collate {name!r}: structures have different dtypes.",
                    f"found {', '.join(sorted(map(str, found)))}",
                    remedy="convert them on purpose before they are collated.",
                )
            )
        own = np.dtype(next(iter(found), np.float32))
        if self.dtype is not None and jnp.issubdtype(own, jnp.floating):
            own = self.dtype
        check_dtype(own, f"collate {name!r}", 'collate(..., dtype="float32").')
        return own


@dataclasses.dataclass(frozen=True)
class _Whole:
    layout: Layout

    def __call__(self, leaves: Sequence[Any]) -> TensorMap:
        return TensorMap._view(self.layout, tuple(leaves))


@dataclasses.dataclass(frozen=True)
class _Kept:
    entries: tuple[Any, ...]

    def __call__(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        return self.entries


def _only(leaves: Sequence[Any]) -> Any:
    (leaf,) = leaves
    return leaf


def _common_info(tensors: Sequence[TensorMap]) -> tuple[tuple[str, str], ...]:
    """The info that all structures agree on."""
    first = tensors[0]._layout.info
    return tuple(pair for pair in first if all(pair in t._layout.info for t in tensors))


# Room ------------------------------------------------------------------------------------


def _for_forms(bucket: Bucket, forms: Mapping[str, Layout]) -> Bucket:
    """The bucket with one number for each block, where one was given for all."""
    rooms = dict(bucket.rooms)
    for name, form in forms.items():
        if name not in rooms:
            raise MissingError(
                compose(
                    f"collate: there is no capacity for the field {name!r}.",
                    f"there are capacities for {list(rooms)}",
                    remedy="give one, as for pad(); buckets(dataset, ...) finds all.",
                )
            )
        if name not in bucket.forms:
            rooms[name] = _for_form(name, form, rooms[name])
    return dataclasses.replace(bucket, rooms=rooms)


def _check_for_array(name: str, room: Room) -> None:
    if list(room) != [SAMPLES] or len(room[SAMPLES]) != 1:
        raise InvalidError(
            compose(
                f"collate {name!r}: arrays have one capacity, for {SAMPLES!r}.",
                f"found {room}",
            )
        )


def _for_form(name: str, form: Layout, room: Room) -> Room:
    found: Room = {}
    for slot in row_sizes(name, form, 0):
        numbers = room.get(slot.parameter)
        if numbers is None:
            raise MissingError(
                compose(
                    f"collate {name!r}: there is no capacity for {slot.parameter!r}.",
                    f"the capacities are {room}",
                )
            )
        if len(numbers) not in (1, len(form.blocks)):
            raise InvalidError(
                compose(
                    f"collate {name!r}: {len(numbers)} capacities for {slot.parameter!r}.",
                    f"the batch has {len(form.blocks)} blocks",
                    remedy="give one number for all blocks, or one for each.",
                )
            )
        found[slot.parameter] = numbers if len(numbers) > 1 else numbers * len(form.blocks)
    return found


def _grown(bucket: Bucket, needed: Mapping[Slot, int]) -> dict[str, Room]:
    """More room where there is too little, in steps of the square root of two."""
    rooms = {field: dict(room) for field, room in bucket.rooms.items()}
    for slot, _ in bucket.lacks(needed):
        steps = math.ceil(2 * math.log2(needed[slot]))
        numbers = list(rooms[slot.field][slot.parameter])
        numbers[slot.block] = max(needed[slot], math.ceil(2 ** (steps / 2)))
        rooms[slot.field][slot.parameter] = tuple(numbers)
    return rooms


def _no_room(
    bucket: Bucket, needed: Mapping[Slot, int], forms: Mapping[str, Layout]
) -> InvalidError:
    facts = []
    for slot, room in bucket.lacks(needed):
        keys = forms[slot.field].keys if slot.field in forms else None
        where = "" if keys is None else f" of {block_name(keys, slot.block)}"
        facts.append(
            f"{slot.field!r}: {needed[slot]} rows for {slot.parameter!r}{where}, the "
            f"capacity is {room}"
        )
    return InvalidError(
        compose(
            "collate: the batch has no room in the largest capacities.",
            *facts[:5],
            remedy="give capacities of at least these numbers; buckets(dataset, "
            'batch_size) finds them; overflow="grow" makes room.',
        )
    )


# Fill ------------------------------------------------------------------------------------


def fill(batch: Any) -> float:
    """The share of a batch that is no padding, by bytes of its maps.

    Arguments:
        batch: what `collate` gave, or a map with dynamic samples.

    Returns:
        A number between 0 and 1; 1 where there is no padding, or nothing at all.

    Example:
        >>> from jaxmeta.core import Labels, pad
        >>> rows, n = Labels.range("system", 3), Labels.range("n", 1)
        >>> tensor = TensorMap(Labels.single(), [TensorBlock(np.ones((3, 1)), rows, [], n)])
        >>> fill(pad(tensor, 4))
        0.75
    """
    maps = [batch] if isinstance(batch, TensorMap) else batch
    sizes = [_sizes(block) for one in maps if isinstance(one, TensorMap) for block in one]
    room = sum(of for _, of in sizes)
    return sum(used for used, _ in sizes) / room if room else 1.0


def _sizes(block: TensorBlock) -> tuple[int, int]:
    """Bytes in use, and bytes there are."""
    samples, values = block.samples, block.values
    row = math.prod(values.shape[1:]) * values.dtype.itemsize + 4 * len(samples.names)
    rows = values.shape[0]
    used = rows
    if isinstance(samples, DynamicLabels):
        used = int(np.asarray(samples.mask).sum())
    below = [_sizes(inner) for _, inner in block.gradients()]
    return (
        used * row + sum(used for used, _ in below),
        rows * row + sum(room for _, room in below),
    )
