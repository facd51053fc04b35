"""The manual's snippets for other frameworks run, and do what they are said to do."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxmeta as jm
from jaxmeta import TensorMap


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "nn.md").read_text()
CELLS = re.findall(r"^```\{code-cell\} python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
Names = dict[str, Any]


def section(title: str) -> str:
    """All code under a heading."""
    text = PAGE.split(f"\n### {title}\n")[1].split("\n### ")[0]
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Names]:
    """What the snippets go on with: the first and the last cell of the page."""
    found: Names = {"folder": tmp_path}
    # As a reader has it: several of the frameworks mix dtypes and ranks.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for cell in (CELLS[0], CELLS[-1]):
            exec(cell, found)
        yield found


def run(title: str, names: Names, *packages: str) -> Names:
    with warnings.catch_warnings():  # of the frameworks, at import
        warnings.simplefilter("ignore")
        for package in packages:
            pytest.importorskip(package)
    exec(section(title), names)
    return names


def slopes_by_differences(names: Names, build: Any, leaves: list[Any]) -> list[Any]:
    """The slope of the loss along each of some directions, and the directions."""
    rng = np.random.default_rng(2)
    way = [rng.normal(size=np.shape(leaf)) for leaf in leaves]

    def at(h: float) -> float:
        moved = [
            np.asarray(np.asarray(leaf) + h * d, np.float32)
            for leaf, d in zip(leaves, way, strict=True)
        ]
        return float(names["loss"](build(moved)))

    return [(at(1e-3) - at(-1e-3)) / 2e-3, way]


def assert_slopes(names: Names, model: Any, slopes: Any) -> None:
    """The derivatives by all leaves of a model are those of the loss."""
    leaves, tree = jax.tree.flatten(model)

    def build(moved: list[Any]) -> TensorMap:
        return jax.tree.unflatten(tree, moved)(names["tensor"])

    expected, way = slopes_by_differences(names, build, leaves)
    found = [np.vdot(s, d) for s, d in zip(jax.tree.leaves(slopes), way, strict=True)]
    assert sum(found) == pytest.approx(expected, rel=2e-2)


def test_equinox(names: Names) -> None:
    run("equinox", names)
    model, tensor = names["model"], names["tensor"]
    jm.allclose_raise(model(tensor), model.network(tensor))
    assert_slopes(names, model, names["slopes"])
    assert isinstance(names["slopes"].baseline, TensorMap)
    doubled = names["changed"](tensor)
    jm.allclose_raise(doubled, 2.0 * model(tensor), rtol=1e-5)


def test_flax_nnx(names: Names) -> None:
    run("flax nnx", names, "flax.nnx")
    from flax import nnx

    model, tensor = names["model"], names["tensor"]
    kernel = np.asarray(model.layer.kernel[...])
    bias = np.asarray(model.layer.bias[...])
    for block, given in zip(names["result"], tensor, strict=True):
        np.testing.assert_allclose(
            block.values, np.asarray(given.values) @ kernel + bias, rtol=1e-5
        )
        assert block.properties == names["energy"]
    _, state = nnx.split(model)
    count = 2 + 2 * len(jax.tree.leaves(tensor))
    assert len(jax.tree.leaves(state)) == count
    # The baseline is no parameter; layer and scale are.
    assert set(names["slopes"].keys()) == {"layer", "scale"}
    assert isinstance(names["slopes"]["scale"].get_value(), TensorMap)
    assert np.any(names["slopes"]["layer"]["kernel"][...])


def test_flax_linen(names: Names) -> None:
    run("flax linen", names, "flax.linen")
    assert_slopes(names, names["model"], names["slopes"])
    parameters = names["parameters"]["params"]
    for i, (block, given) in enumerate(zip(names["result"], names["values"], strict=True)):
        layer = parameters[f"block_{i}"]
        expected = np.asarray(given.values) @ np.asarray(layer["kernel"])
        expected = expected + np.asarray(layer["bias"])
        np.testing.assert_allclose(block.values, expected, rtol=1e-5, atol=1e-6)


def test_haiku(names: Names) -> None:
    run("haiku", names, "haiku")
    assert_slopes(names, names["model"], names["slopes"])
    assert names["model"](names["tensor"])[0].has_gradient("positions")


def test_optax(names: Names) -> None:
    pytest.importorskip("optax")
    keys, nn = names["keys"], names["nn"]
    before = nn.MLP(keys, 4, [8], 1, dtype="float32", key=jax.random.key(0))
    run("optax", names, "optax")
    after, tensor, loss = names["model"], names["tensor"], names["loss"]
    assert type(after) is nn.MLP
    assert float(loss(after(tensor))) < float(loss(before(tensor)))
    assert jax.tree.structure(after) == jax.tree.structure(before)
    # A map by itself is one too.
    state = names["optimiser"].init(tensor)
    updates, _ = names["optimiser"].update(jm.ones_like(tensor), state)
    import optax

    stepped = tensor - 0.1 * jm.ones_like(tensor)
    jm.allclose_raise(optax.apply_updates(tensor, updates), stepped, rtol=1e-5)


def test_orbax(names: Names) -> None:
    run("orbax", names, "orbax.checkpoint")
    assert names["again"] == names["tensor"]
    assert names["restored"]["model"](names["tensor"]) == names["model"](names["tensor"])
