"""Features and targets with explicit gradients, and their rows as plain matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxmeta import Labels, TensorBlock, TensorMap


XYZ = [Labels.range("xyz", 3)]
STRAIN = [Labels.range("xyz_1", 3), Labels.range("xyz_2", 3)]
PARTS = ("values", "positions", "strain")


def block(
    rng: np.random.Generator,
    properties: Labels,
    atoms: tuple[int, ...] = (2, 1, 3, 2),
    components: tuple[Labels, ...] = (),
    dtype: Any = np.float64,
) -> TensorBlock:
    """One structure a row with so many atoms; gradients by positions and strain."""
    sizes = [len(labels) for labels in components]
    pairs = [(i, i, a) for i, count in enumerate(atoms) for a in range(count)]

    def part(samples: Labels, extra: list[Labels]) -> TensorBlock:
        shape = (len(samples), *map(len, extra), *sizes, len(properties))
        values = rng.normal(size=shape).astype(dtype)
        return TensorBlock(values, samples, [*extra, *components], properties)

    values = part(Labels.range("system", len(atoms)), [])
    rows = Labels(["sample", "system", "atom"], pairs)
    return values.with_gradient("positions", part(rows, XYZ)).with_gradient(
        "strain", part(Labels.range("sample", len(atoms)), STRAIN)
    )


def problem(
    rng: np.random.Generator,
    features: int = 5,
    targets: int = 2,
    noise: float = 0.1,
    atoms: tuple[int, ...] = (2, 1, 3, 2),
    components: tuple[Labels, ...] = (),
    dtype: Any = np.float64,
) -> tuple[TensorMap, TensorMap]:
    """Features and noisy linear targets, two blocks with different numbers of features."""
    keys, xs, ys = Labels("center_type", [[1], [8]]), [], []
    for more in (0, 2):
        n, e = Labels.range("n", features + more), Labels.range("energy", targets)
        x = block(rng, n, atoms, components, dtype)
        w = rng.normal(size=(features + more, targets)).astype(dtype)
        error = block(rng, e, atoms, components, dtype)
        y = [
            TensorBlock(
                np.asarray(a.values) @ w + dtype(noise) * np.asarray(b.values),
                a.samples,
                a.components,
                e,
            )
            for a, b in ((x, error), *zip_gradients(x, error))
        ]
        xs.append(x)
        ys.append(y[0].with_gradient("positions", y[1]).with_gradient("strain", y[2]))
    return TensorMap(keys, xs), TensorMap(keys, ys)


def zip_gradients(a: TensorBlock, b: TensorBlock) -> list[tuple[TensorBlock, TensorBlock]]:
    return [(a.gradient(name), b.gradient(name)) for name in PARTS[1:]]


def rows(of: TensorBlock, parameters: tuple[str, ...] = PARTS) -> np.ndarray:
    """All rows of these parameters below one another."""
    parts = [of if name == "values" else of.gradient(name) for name in parameters]
    return np.concatenate(
        [np.asarray(part.values).reshape(-1, part.shape[-1]) for part in parts]
    )


def normal_solution(x: Any, y: Any, alpha: Any, weights: Any = 1.0) -> np.ndarray:
    """The weights by the textbook, of shape (targets, features)."""
    weights = np.broadcast_to(weights, len(x))
    alpha = np.broadcast_to(alpha, x.shape[1])
    gram = x.T @ (weights[:, None] * x) + np.diag(alpha)
    return np.linalg.solve(gram, x.T @ (weights[:, None] * y)).T
