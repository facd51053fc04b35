"""Features and targets of a few systems as equations: what a linear potential is fitted to.

Features of atoms are added up to those of systems here, in numpy: their labels are others
for every batch, and programs for each of them would take longer to compile than to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxmeta.atomistic._quantities import STRAIN, XYZ
from jaxmeta.atomistic.batches import Batch
from jaxmeta.atomistic.batching import ROUNDED, to_batch
from jaxmeta.atomistic.evaluation import evaluate
from jaxmeta.atomistic.systems import System
from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import check_same_labels
from jaxmeta.errors import InvalidError, InvalidTypeError, NotEqualError, compose
from jaxmeta.potentials._potential import Potential
from jaxmeta.representations.power_spectrum import SoapPowerSpectrum


_AXES = {"positions": (XYZ,), "strain": STRAIN}


def columns_of(soap: SoapPowerSpectrum, types: Sequence[int]) -> tuple[Labels, Labels]:
    """All keys that a representation has for these types, and all of its properties."""
    parts = [next(soap.parts(group, None)) for group in soap.groups(types)]
    keys = Labels(soap.key_names, np.array([part.key for part in parts], np.int32))
    each = parts[0].properties
    table = np.concatenate(
        [
            np.repeat(keys.values, len(each), axis=0),
            np.tile(each.values, (len(keys), 1)),
        ],
        axis=1,
    )
    return keys, Labels([*keys.names, *each.names], table)


def features(
    soap: SoapPowerSpectrum,
    systems: Sequence[System],
    types: Sequence[int],
    gradients: Sequence[str],
) -> TensorMap:
    """The sums over atoms, all keys beside each other: samples ``system``."""
    keys, properties = columns_of(soap, types)
    width = len(properties) // len(keys)
    sizes = np.array([len(system) for system in systems])
    begins = np.cumsum(sizes) - sizes
    arrays = _zeros(sizes, len(properties), gradients, systems[0].positions.dtype)
    for key, block in soap.compute(systems, gradients=gradients).items():
        begin = int(keys._index.find(key.values[None])[0]) * width
        column = slice(begin, begin + width)
        samples: Any = block.samples
        of_rows = samples["system"]
        np.add.at(arrays["values"][:, column], of_rows, np.asarray(block.values))
        for name in gradients:
            gradient = block.gradient(name)
            labels: Any = gradient.samples
            rows = of_rows[labels["sample"]]
            if name == "positions":
                rows = begins[labels["system"]] + labels["atom"]
            np.add.at(arrays[name][..., column], rows, np.asarray(gradient.values))
    return _map(arrays, sizes, properties)


def _zeros(sizes: Any, width: int, gradients: Sequence[str], dtype: Any) -> dict[str, Any]:
    shapes = {"positions": (int(sizes.sum()), 3), "strain": (len(sizes), 3, 3)}
    found = {"values": np.zeros((len(sizes), width), dtype)}
    return found | {name: np.zeros((*shapes[name], width), dtype) for name in gradients}


def _map(arrays: dict[str, Any], sizes: Any, properties: Labels) -> TensorMap:
    gradients = {
        name: TensorBlock(
            jnp.asarray(array), labels_of(name, sizes), list(_AXES[name]), properties
        )
        for name, array in arrays.items()
        if name != "values"
    }
    values = jnp.asarray(arrays["values"])
    systems = Labels.range("system", len(sizes))
    block = TensorBlock(values, systems, [], properties, gradients)
    return TensorMap(Labels.single(), [block])


def labels_of(gradient: str, sizes: Any) -> Labels:
    """The samples of a gradient of the energies of systems with so many atoms."""
    number = np.arange(len(sizes))
    if gradient == "strain":
        return Labels("sample", number[:, None])
    owners = np.repeat(number, sizes)
    atoms = np.concatenate([np.arange(size) for size in sizes])
    return Labels(["sample", "system", "atom"], np.stack([owners, owners, atoms], axis=1))


def check_targets(where: str, targets: TensorMap, systems: Sequence[System]) -> None:
    """Refuse targets that are no energies of these systems."""
    _check_energies(where, targets, len(systems))
    if systems and systems[0].positions.dtype != targets.dtype:
        raise InvalidTypeError(
            compose(
                f"{where}: targets and systems have different dtypes.",
                f"found {targets.dtype} and {systems[0].positions.dtype}",
                remedy="targets.to(dtype=...) converts them.",
            )
        )
    sizes = np.array([len(system) for system in systems])
    for name, part in [("values", targets[0]), *targets[0].gradients()]:
        if name != "values":
            _check_gradient(where, name, part, sizes)
        if np.isinf(np.asarray(part.values)).any():
            raise InvalidError(
                compose(
                    f"{where}: there are infinite numbers among the {name} of the targets.",
                    remedy="NaN is what does not count.",
                )
            )


def _check_energies(where: str, targets: TensorMap, n_systems: int) -> None:
    if len(targets) != 1 or targets[0].components or targets[0].shape[1] != 1:
        raise InvalidError(
            compose(
                f"{where}: the targets are energies: one block, one property.",
                f"found {len(targets)} blocks of the shapes {[b.shape for b in targets]}",
                remedy="jaxmeta.interop.ase.read_targets(frames) makes them.",
            )
        )
    samples, wanted = targets[0].samples, Labels.range("system", n_systems)
    if not isinstance(samples, Labels):
        raise InvalidError(
            compose(
                f"{where}: the samples of the targets are dynamic.", remedy="unpad() them."
            )
        )
    check_same_labels(where, "the targets", "samples", samples, wanted)


def _check_gradient(where: str, name: str, part: TensorBlock, sizes: Any) -> None:
    """Refuse gradients that have other rows than energies have, in whatever order."""
    if name not in _AXES:
        raise InvalidError(
            compose(f"{where}: energies have no gradient {name!r} that can be fitted.")
        )
    samples, wanted = part.samples, labels_of(name, sizes)
    assert isinstance(samples, Labels)  # as the samples of the values are
    inner = f"gradient {name!r} of the targets"
    is_same = samples.names == wanted.names and len(samples) == len(wanted)
    if not is_same or (wanted._index.find(samples.values) < 0).any():
        check_same_labels(where, inner, "samples", samples, wanted)
    if part.components != list(_AXES[name]):
        raise NotEqualError(
            compose(
                f"{where}: the components of {inner} differ.",
                f"found {part.components}, wanted {list(_AXES[name])}",
            )
        )


def part_of(targets: TensorMap, begin: int, end: int) -> TensorMap:
    """The targets of some of the systems, which are counted from zero."""
    block, gradients = targets[0], {}
    for name, gradient in block.gradients():
        table = gradient.samples.values
        kept = (begin <= table[:, 0]) & (table[:, 0] < end)
        counted = [label in ("sample", "system") for label in gradient.samples.names]
        rows = table[kept] - begin * np.array(counted, np.int32)
        samples = Labels(gradient.samples.names, rows)
        values = jnp.asarray(np.asarray(gradient.values)[kept])
        gradients[name] = TensorBlock(
            values, samples, gradient.components, gradient.properties
        )
    values = jnp.asarray(np.asarray(block.values)[begin:end])
    samples = Labels.range("system", end - begin)
    part = TensorBlock(values, samples, [], block.properties, gradients)
    return TensorMap(Labels.single(), [part])


def without(
    where: str, baseline: Potential, systems: Sequence[System], targets: TensorMap
) -> TensorMap:
    """The targets of these systems without what a potential gives for them."""
    block, sizes = targets[0], np.array([len(system) for system in systems])
    batch = to_batch(systems, baseline.requested_neighbor_lists(), room=ROUNDED)
    found = _evaluated(baseline, batch, tuple(block.gradients_list()))[0]
    gradients = {}
    for name, part in block.gradients():
        samples: Any = part.samples
        rows = labels_of(name, sizes)._index.find(samples.values)
        gradients[name] = _minus(where, part, found.gradient(name), rows)
    rest = _minus(where, block, found, np.arange(len(systems))).values
    rest = TensorBlock(rest, block.samples, [], block.properties, gradients)
    return TensorMap(targets.keys, [rest])


@eqx.filter_jit
def _evaluated(model: Potential, batch: Batch, gradients: tuple[str, ...]) -> TensorMap:
    return evaluate(model, batch, gradients=gradients)


def _minus(where: str, part: TensorBlock, found: TensorBlock, rows: Any) -> TensorBlock:
    """A part of the targets without these rows of what was found; others are padding."""
    own = np.asarray(found.values)[rows]
    if not np.isfinite(own).all():
        raise InvalidError(
            compose(
                f"{where}: the baseline is not finite for these systems.",
                remedy="atoms at one place are a usual cause.",
            )
        )
    values = jnp.asarray(np.asarray(part.values) - own)
    return TensorBlock(values, part.samples, part.components, part.properties)
