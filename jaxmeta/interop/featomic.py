"""Representations by featomic, with their explicit gradients, as maps of jaxmeta."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingExtraError, compose
from jaxmeta.interop.metatensor import from_metatensor
from jaxmeta.operations.joining import join


try:
    import featomic  # noqa: F401
except ImportError as error:
    raise MissingExtraError(__name__, "featomic", "featomic") from error


STRAIN = ("xyz_1", "xyz_2")


def compute(
    calculator: Any,
    systems: Any,
    gradients: str | Sequence[str] = (),
    *,
    strain_names: tuple[str, str] | None = None,
    batch_size: int | None = None,
    transform: Callable[[TensorMap], TensorMap] | None = None,
    **options: Any,
) -> TensorMap:
    r"""A representation of structures by a calculator of featomic.

    Gradients are explicit blocks: ``positions`` in :math:`\partial / \partial r_a`,
    ``strain`` in :math:`\partial / \partial \epsilon_{ab}`, where positions and cell are
    multiplied by :math:`1 + \epsilon` from the right.

    featomic names the two components of strain gradients ``xyz_2, xyz_1``; the array is
    in the order :math:`a, b`, which targets call ``xyz_1, xyz_2``. Ask for these names
    with ``strain_names=STRAIN``, where the two must agree. Only the names differ, never
    the numbers.

    Explicit gradients are large: one row for each pair of neighbours. With `batch_size`
    and a `transform` that makes them smaller, they are never all in memory.

    Arguments:
        calculator: any calculator of featomic (lengths in the units of the systems).
        systems: one or several structures, for instance of ase.
        gradients: names out of ``positions``, ``strain``, ``cell``.
        strain_names: names for the components of strain gradients, those of targets
            being `STRAIN`; None keeps those that featomic gives.
        batch_size: how many structures are computed at a time; all by default.
        transform: applied to the map of each batch, before they are joined.
        **options: all other options of featomic's ``compute``.

    Returns:
        The map of featomic: its keys, samples ``system, atom`` (``system`` counts
        `systems`, whatever the batches), components and properties, in arrays of JAX.

    Raises:
        PrecisionError: when JAX runs without x64: featomic computes in float64.
        InvalidTypeError: for something that is no calculator, or one of featomic.torch.
        InvalidError: for batches of less than one structure, or for batches together
            with a selection by ``system``.

    Example:
        >>> import ase, featomic
        >>> water = ase.Atoms("OHH", [[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]])
        >>> calculator = featomic.SortedDistances(
        ...     cutoff=3.0, max_neighbors=2, separate_neighbor_types=False
        ... )
        >>> distances = compute(calculator, water)
        >>> distances.block(center_type=8).values.round(6).tolist()
        [[1.0, 1.0]]
    """
    _check_calculator(calculator)
    frames = list(systems) if isinstance(systems, list | tuple) else [systems]
    names = [gradients] if isinstance(gradients, str) else list(gradients)
    size = _checked_size(batch_size, len(frames), options)
    parts = []
    for start in range(0, max(len(frames), 1), size):
        batch = frames[start : start + size]
        found = calculator.compute(batch, gradients=names or None, **options)
        part = _relabelled(from_metatensor(found), start, strain_names)
        parts.append(part if transform is None else transform(part))
    if len(parts) == 1:
        return parts[0]
    return _sorted_keys(join(parts, "samples", different_keys="union"))


def _check_calculator(calculator: Any) -> None:
    if not callable(getattr(calculator, "compute", None)):
        raise InvalidTypeError(
            compose(
                "compute: the calculator must be one of featomic's.",
                f"found {type(calculator).__module__}.{type(calculator).__name__}",
                remedy="give an object, as in featomic.SoapPowerSpectrum(...).",
            )
        )


def _checked_size(batch_size: int | None, frames: int, options: dict[str, Any]) -> int:
    if batch_size is None:
        return max(frames, 1)
    if batch_size < 1:
        raise InvalidError(
            compose("compute: batch_size must be at least 1.", f"found {batch_size}")
        )
    names = getattr(options.get("selected_samples"), "names", [])
    if "system" in names:
        raise InvalidError(
            compose(
                "compute: selected_samples can not choose systems of batches.",
                f"found a selection of {list(names)} and batch_size={batch_size}",
                remedy="select among `systems` instead, or leave batch_size out.",
            )
        )
    return batch_size


def _relabelled(
    tensor: TensorMap, first: int, strain_names: tuple[str, str] | None
) -> TensorMap:
    """The map of a batch, with `system` counted from `first`."""
    blocks = [_relabelled_block(block, first, strain_names) for block in tensor]
    return TensorMap(tensor.keys, blocks, tensor.info())


def _relabelled_block(
    block: TensorBlock, first: int, strain_names: tuple[str, str] | None
) -> TensorBlock:
    gradients = {}
    for name, gradient in block.gradients():
        gradients[name] = _relabelled_block(gradient, first, None)
        if name == "strain" and strain_names is not None:
            gradients[name] = _with_strain_names(gradients[name], strain_names)
    samples = _counted_from(block.samples, first)
    return TensorBlock(block.values, samples, block.components, block.properties, gradients)


def _counted_from(samples: Any, first: int) -> Labels:
    """The samples, with `first` added to what `system` counts."""
    if first == 0 or "system" not in samples.names:
        return samples
    rows = samples.values.copy()
    rows[:, samples.names.index("system")] += first
    return Labels(samples.names, rows, assume_unique=True)


def _with_strain_names(gradient: TensorBlock, names: tuple[str, str]) -> TensorBlock:
    own, below = gradient.components[:2], gradient.components[2:]
    renamed = [Labels(name, c.values) for name, c in zip(names, own, strict=True)]
    return TensorBlock(
        gradient.values, gradient.samples, [*renamed, *below], gradient.properties
    )


def _sorted_keys(tensor: TensorMap) -> TensorMap:
    """Keys in the order of featomic, also when a later batch brought new ones."""
    order = np.lexsort(tensor.keys.values.T[::-1])
    keys = Labels(tensor.keys.names, tensor.keys.values[order])
    blocks = [tensor[int(row)] for row in order]  # there may be none
    return TensorMap(keys, blocks, tensor.info())
