"""Which row of an aggregated map each row of its parts is added to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.core.layouts._differences import block_name
from jaxmeta.errors import DynamicSamplesError, InvalidError, MissingError, compose
from jaxmeta.learn._matching import VALUES
from jaxmeta.operations.reductions import sum_over_samples


class Aggregated(NamedTuple):
    """The rows of a map whose samples are summed, over all of its blocks.

    Arguments:
        samples: by parameter, ``"values"`` or the name of a gradient.
        components: of the gradients, by name.
        targets: for each block and parameter the row that each of its rows adds to.
    """

    samples: dict[str, Labels]
    components: dict[str, list[Labels]]
    targets: list[dict[str, np.ndarray]]


def summed(tensor: TensorMap, names: tuple[str, ...]) -> TensorMap:
    """All blocks under one another, then the sum over some dimensions of the samples."""
    if tensor.keys is Labels.single():
        return sum_over_samples(tensor, names) if names else tensor
    stacked = tensor.keys_to_samples(tensor.keys.names)
    return sum_over_samples(stacked, [*names, *tensor.keys.names])


def aggregated(
    where: str, X: TensorMap, names: tuple[str, ...], into: Labels | None
) -> Aggregated:
    """The rows of X, summed over blocks and over these dimensions of the samples."""
    for index, block in enumerate(X):
        _check_block(where, block_name(X.keys, index), block)
    shape = summed(TensorMap(X.keys, [_first_column(block) for block in X]), names)[0]
    own = shape.samples
    assert isinstance(own, Labels)
    wanted = own if into is None else into
    moved = _moved(where, own, wanted)
    samples, components = {VALUES: wanted}, {}
    for name, gradient in shape.gradients():
        rows = np.array(gradient.samples.values)
        rows[:, 0] = moved[rows[:, 0]]
        samples[name] = Labels(gradient.samples.names, rows)
        components[name] = gradient.components
    targets = [_targets(block, names, samples) for block in X]
    return Aggregated(samples, components, targets)


def _check_block(where: str, name: str, block: TensorBlock) -> None:
    parts = [block, *(gradient for _, gradient in block.gradients())]
    if any(isinstance(part.samples, DynamicLabels) for part in parts):
        raise DynamicSamplesError(
            compose(
                f"{where}: the samples of {name} are dynamic.",
                remedy="unpad() the map first; predictions take dynamic samples.",
            )
        )
    if block.components:
        raise InvalidError(
            compose(
                f"{where}: {name} has components: kernels are those of invariants.",
                remedy="drop_blocks() the others.",
            )
        )


def _first_column(block: TensorBlock) -> TensorBlock:
    """The same rows, without the width."""
    one = Labels.single()

    def part(of: TensorBlock) -> TensorBlock:
        return TensorBlock(np.zeros((*of.shape[:-1], 1)), of.samples, of.components, one)

    gradients = {name: part(gradient) for name, gradient in block.gradients()}
    return TensorBlock(
        np.zeros((len(block), 1)), block.samples, [], Labels.single(), gradients
    )


def _moved(where: str, own: Labels, wanted: Labels) -> np.ndarray:
    """Where the samples of the sum stand among those that were asked for."""
    if own.names != wanted.names:
        raise InvalidError(
            compose(
                f"{where}: summed features have other samples than the target.",
                f"the features have {own.names}, the target has {wanted.names}",
                remedy="aggregate= names the dimensions to sum over.",
            )
        )
    moved = wanted._index.find(own.values)
    absent = own._index.find(wanted.values) < 0
    if (moved < 0).any() or absent.any():
        labels, side = (own, "features") if (moved < 0).any() else (wanted, "target")
        first = int(np.flatnonzero(moved < 0 if side == "features" else absent)[0])
        raise MissingError(
            compose(
                f"{where}: only the {side} have the sample {labels.entry(first).print()}.",
                remedy="slice() both to the samples that they have in common.",
            )
        )
    return moved


def _targets(
    block: TensorBlock, names: tuple[str, ...], samples: dict[str, Labels]
) -> dict[str, np.ndarray]:
    own, wanted = block.samples, samples[VALUES]
    assert isinstance(own, Labels)
    kept = [own.column(name) for name in own.names if name not in names]
    # Without a dimension left all samples are one.
    rows = np.stack(kept, axis=1) if kept else np.zeros((len(own), 1), np.int32)
    found = {VALUES: wanted._index.find(rows)}
    for name, gradient in block.gradients():
        inner = np.array(gradient.samples.values)
        inner[:, 0] = found[VALUES][inner[:, 0]]
        found[name] = samples[name]._index.find(inner)
    return found
