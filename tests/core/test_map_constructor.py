"""What maps demand of their blocks: every rule, and the message that tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import pytest
from test_block_constructor import (
    ROWS,
    SYSTEMS,
    XYZ,
    M,
    N,
    block,
    gradient,
    nested,
    refused,
)

from jaxmeta import JaxmetaError, Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError


pytestmark = pytest.mark.usefixtures("wrong_types")


def tensor(*blocks: TensorBlock) -> TensorMap:
    return TensorMap(Labels("k", [[5], [2]]), blocks)


def one(**changed: Any) -> TensorBlock:
    return block(gradients={"x": gradient(**changed)})


MAPS: dict[str, tuple[Callable[[], Any], type[JaxmetaError], str]] = {
    "keys by name": (
        lambda: TensorMap("k", [block()]),  # type: ignore[arg-type]
        InvalidTypeError,
        "keys must be Labels.*found str",
    ),
    "arrays for blocks": (
        lambda: tensor(jnp.zeros(3), jnp.zeros(3)),  # type: ignore[arg-type]
        InvalidTypeError,
        "block 0 must be a TensorBlock",
    ),
    "a block in place of a list": (
        lambda: TensorMap(Labels.single(), block()),  # type: ignore[arg-type]
        InvalidTypeError,
        "blocks must be a list of TensorBlock.*found TensorBlock",
    ),
    "nothing in place of a list": (
        lambda: TensorMap(Labels.single(), None),  # type: ignore[arg-type]
        InvalidTypeError,
        "blocks must be a list of TensorBlock.*found None, a NoneType",
    ),
    "more info that is no dictionary": (
        lambda: TensorMap(Labels.empty("k"), []).with_info("eV"),  # type: ignore[arg-type]
        InvalidTypeError,
        "info must be a dictionary.*found str",
    ),
    "too few blocks": (
        lambda: tensor(block()),
        InvalidError,
        "every key needs one block.*2 keys and 1 blocks",
    ),
    "too many blocks": (
        lambda: tensor(block(), block(), block()),
        InvalidError,
        "2 keys and 3 blocks",
    ),
    "two dtypes": (
        lambda: tensor(block(), block(values=jnp.zeros((2, 3, 2), "float32"))),
        InvalidTypeError,
        r"block \(k=5\) has float64, block \(k=2\) has float32.*\.to\(dtype",
    ),
    "sample names": (
        lambda: tensor(block(), block(samples=SYSTEMS.rename("system", "atom"))),
        InvalidError,
        r"same sample names.*block \(k=5\) has \['system'\], block \(k=2\) has \['atom'\]",
    ),
    "component names": (
        lambda: tensor(block(), block(components=[M.rename("m", "l")])),
        InvalidError,
        r"same component names.*\['m'\].*\['l'\]",
    ),
    "property names": (
        lambda: tensor(block(), block(properties=N.rename("n", "p"))),
        InvalidError,
        r"same property names.*\['n'\].*\['p'\]",
    ),
    "gradient names": (
        lambda: tensor(one(), block()),
        InvalidError,
        r"same gradient names\..*\['x'\].*\[\]",
    ),
    "sample names of gradients": (
        lambda: tensor(one(), one(samples=ROWS.rename("atom", "pair"))),
        InvalidError,
        r"same sample names of gradient 'x'.*\['sample', 'atom'\].*\['sample', 'pair'\]",
    ),
    "component names of nested gradients": (
        lambda: tensor(
            one(gradients={"y": nested()}),
            one(gradients={"y": nested(components=[Labels.range("b", 1), XYZ, M])}),
        ),
        InvalidError,
        "same component names of gradient 'x/y'",
    ),
    "info that is no dictionary": (
        lambda: TensorMap(Labels.empty("k"), [], "unit=eV"),  # type: ignore[arg-type]
        InvalidTypeError,
        "info must be a dictionary.*found str",
    ),
    "info of numbers": (
        lambda: TensorMap(Labels.empty("k"), [], {"cutoff": 3.5}),  # type: ignore[dict-item]
        InvalidTypeError,
        r"strings to strings.*found 'cutoff': 3\.5.*str\(\.\.\.\)",
    ),
}


@pytest.mark.parametrize("case", MAPS)
def test_map_refused(case: str) -> None:
    refused(*MAPS[case], "TensorMap: ")


def test_values_of_labels_are_free_between_blocks() -> None:
    other = block(
        values=jnp.zeros((1, 2, 1)),
        samples=Labels("system", [[0]]),
        components=[Labels.range("m", 2)],
        properties=Labels("n", [[7]]),
    )
    assert [b.shape for b in tensor(block(), other)] == [(2, 3, 2), (1, 2, 1)]
