"""Every operation as one call that jaxmeta, metatensor and metatensor-torch understand.

Names, arguments and meaning are the same, so that one line serves all three: tests
compare the results, benchmarks the times, and the manual's table of operations is made
by trying each case.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

import benchmarks._operands as operands
from benchmarks._operands import Maps
from jaxmeta import TensorMap


ANY_DEPTH, SECOND, NOT = "any depth", "second order", "none"


@dataclasses.dataclass(frozen=True)
class Case:
    """One way to call an operation.

    Arguments:
        name: the exported function, or the method as ``TensorMap.sel``.
        call: takes a module (jaxmeta, metatensor or metatensor.torch) and the operands.
        what: tells several cases of one operation apart.
        peer: whether metatensor has it too.
        operands: makes the operands of two maps with the same labels, which have sample
            dimensions ``system`` and ``atom``, keys that end in ``neighbor``, a property
            dimension ``n``, and in all blocks the same component or none.
        gradients: how deep explicit gradients go through it by the chain rule: to
            `ANY_DEPTH`, as in every linear operation, to the `SECOND` order, or `NOT` at
            all.
        dynamic: whether it takes maps with dynamic samples.
        static: how many of the last operands have static ones even then.
    """

    name: str
    call: Callable[..., Any]
    what: str = ""
    peer: bool = True
    operands: Callable[[TensorMap, TensorMap], Maps] = operands.one
    gradients: str = ANY_DEPTH
    dynamic: bool = False
    static: int = 0

    @property
    def title(self) -> str:
        """Name and kind."""
        return f"{self.name}, {self.what}" if self.what else self.name


def labels(m: Any, names: str | Sequence[str], rows: Any) -> Any:
    """Labels of a module."""
    names = [names] if isinstance(names, str) else list(names)
    table = np.asarray(rows, np.int32).reshape(-1, len(names))
    if m.__name__.endswith("torch"):  # metatensor_torch, by its other name
        import torch

        return m.Labels(names, torch.tensor(table))
    return m.Labels(names, table)


def by_block(m: Any, operation: Callable[..., Any], *tensors: Any) -> Any:
    """The map of what an operation makes of the blocks of maps."""
    blocks = [
        operation(*[tensor.block(i) for tensor in tensors]) for i in range(len(tensors[0]))
    ]
    return m.TensorMap(tensors[0].keys, blocks)


def cases() -> list[Case]:
    """All of them."""
    return [
        *_arithmetic(),
        *_elementwise(),
        *_reductions(),
        *_selections(),
        *_joins(),
        *_orders(),
        *_dimensions(),
        *_moves(),
        *_creations(),
        *_systems(),
    ]


def _arithmetic() -> Iterator[Case]:
    for name in ("add", "subtract"):
        yield Case(name, _of_two(name), operands=operands.two, dynamic=True)
    for name in ("multiply", "divide"):
        yield Case(
            name, _of_two(name), operands=operands.two, gradients=SECOND, dynamic=True
        )
    yield Case("add", lambda m, a: m.add(a, 2.5), "a scalar", dynamic=True)
    yield Case("multiply", lambda m, a: m.multiply(a, -3.0), "a scalar", dynamic=True)
    yield Case("divide", lambda m, a: m.divide(a, 4.0), "a scalar", dynamic=True)
    yield Case("pow", lambda m, a: m.pow(a, 3), gradients=SECOND, dynamic=True)
    yield Case("abs", lambda m, a: m.abs(a), gradients=SECOND, dynamic=True)
    yield Case(
        "dot",
        _of_two("dot"),
        "a constant right side",
        operands=operands.with_constant,
        dynamic=True,
        static=1,
    )
    yield Case(
        "dot",
        _of_two("dot"),
        "gradients on both sides",
        peer=False,
        operands=operands.with_reference,
    )
    yield Case("einsum", _einsum, peer=False, operands=operands.with_constant)
    yield Case(
        "einsum",
        _squared_norm,
        "a product of maps with gradients",
        peer=False,
        operands=operands.two,
        gradients=SECOND,
    )
    yield Case("TensorMap", lambda m, a: 2.0 - a, "scalar - map", peer=False, dynamic=True)
    yield Case(
        "TensorMap",
        lambda m, a: 2.0 / a,
        "scalar / map",
        peer=False,
        gradients=SECOND,
        dynamic=True,
    )
    yield Case("TensorMap", lambda m, a: -a, "-map", dynamic=True)


def _of_two(name: str) -> Callable[..., Any]:
    return lambda m, a, b: getattr(m, name)(a, b)


def _einsum(m: Any, a: Any, b: Any) -> Any:
    components, properties = _axes(a)
    text = f"(system atom) {components} {properties}, target {properties}"
    return m.einsum(f"{text} -> (system atom) {components} target", a, b)


def _squared_norm(m: Any, a: Any, b: Any) -> Any:
    components, properties = _axes(a)
    text = f"(system atom) {components} {properties}"
    return m.einsum(f"{text}, {text} -> (system atom) {properties}", a, b)


def _axes(a: Any) -> tuple[str, str]:
    names = " ".join(a.property_names)
    properties = f"({names})" if len(a.property_names) > 1 else names
    return " ".join(a.component_names), properties


def _elementwise() -> Iterator[Case]:
    names = ("exp", "expm1", "square", "sin", "cos", "tanh", "sigmoid", "silu", "softplus")
    for name in names:
        yield Case(name, _of_one(name), peer=False, gradients=SECOND, dynamic=True)
    for name in ("log", "log1p", "sqrt"):
        positive = operands.positive
        yield Case(
            name,
            _of_one(name),
            peer=False,
            operands=positive,
            gradients=SECOND,
            dynamic=True,
        )
    yield Case(
        "map_samples",
        lambda m, a: m.map_samples(_curve, a),
        peer=False,
        gradients=SECOND,
        dynamic=True,
    )
    yield Case(
        "where",
        lambda m, mask, a, b: m.where(mask, a, b),
        peer=False,
        operands=operands.masked,
        dynamic=True,
    )


def _of_one(name: str) -> Callable[..., Any]:
    return lambda m, a: getattr(m, name)(a)


def _curve(x: Any) -> Any:
    """A function of one sample that is not elementwise."""
    return x * jax.nn.softplus((x * x).sum())


def _reductions() -> Iterator[Case]:
    for axis, names in (("samples", "atom"), ("properties", "n")):
        for kind in ("sum", "mean", "var", "std"):
            depth = SECOND if kind in ("var", "std") else ANY_DEPTH
            yield from _twins(f"{kind}_over_{axis}", names, depth)
    for kind in ("sum", "mean", "norm"):
        depth = SECOND if kind == "norm" else ANY_DEPTH
        yield from _twins(f"{kind}_over_components", None, depth, peer=False)


def _twins(name: str, names: Any, depth: str, peer: bool = True) -> Iterator[Case]:
    """A reduction of maps, and that of blocks."""

    def of_map(m: Any, a: Any) -> Any:
        return getattr(m, name)(a, names)

    def of_blocks(m: Any, a: Any) -> Any:
        return by_block(m, lambda block: getattr(m, f"{name}_block")(block, names), a)

    yield Case(name, of_map, peer=peer, gradients=depth, dynamic=True)
    yield Case(f"{name}_block", of_blocks, peer=peer, gradients=depth, dynamic=True)


def _selections() -> Iterator[Case]:
    def some(m: Any) -> Any:
        return labels(m, "atom", [1, 0])

    def one(m: Any) -> Any:
        return labels(m, "n", [1])

    def parts(m: Any) -> Any:
        return [labels(m, "atom", part) for part in ([0], [1, 2, 3])]

    # Labels are made once: it is the operation on blocks that is timed.
    def slice_blocks(m: Any, a: Any, axis: str, chosen: Any) -> Any:
        return by_block(m, lambda block: m.slice_block(block, axis, chosen), a)

    def split_blocks(m: Any, a: Any, chosen: Any) -> Any:
        return by_block(m, lambda block: m.split_block(block, "samples", chosen)[1], a)

    for axis, of in (("samples", some), ("properties", one)):
        yield Case(
            "slice",
            lambda m, a, axis=axis, of=of: m.slice(a, axis, of(m)),
            axis,
            dynamic=True,
        )
        yield Case(
            "slice_block",
            lambda m, a, axis=axis, of=of: slice_blocks(m, a, axis, of(m)),
            axis,
            dynamic=True,
        )
    yield Case(
        "split", lambda m, a: m.split(a, "samples", parts(m)), "samples", dynamic=True
    )
    yield Case(
        "split",
        lambda m, a: m.split(a, "properties", [one(m)]),
        "properties",
        dynamic=True,
    )
    yield Case("split_block", lambda m, a: split_blocks(m, a, parts(m)), dynamic=True)
    yield Case("compact", lambda m, a: m.compact(a), peer=False, dynamic=True)
    for name in ("drop_blocks", "filter_blocks"):
        yield Case(
            name,
            lambda m, a, name=name: getattr(m, name)(a, _first_neighbor(m, a)),
            dynamic=True,
        )
    yield Case("drop_empty_blocks", lambda m, a: m.drop_empty_blocks(a), dynamic=True)
    yield Case(
        "TensorMap.sel",
        lambda m, a: a.sel(samples={"atom": [0, 1]}, properties={"n": 1}),
        "samples",
        peer=False,
    )
    yield Case(
        "TensorMap.sel",
        lambda m, a: a.sel(keys={"neighbor": range(-1, 2)}, properties={"n": 1}),
        "keys, properties",
        peer=False,
        dynamic=True,
    )


def _first_neighbor(m: Any, a: Any) -> Any:
    return labels(m, "neighbor", [int(a.keys.column("neighbor")[0])])


def _joins() -> Iterator[Case]:
    for axis in ("samples", "properties"):
        yield Case(
            "join",
            lambda m, a, b, axis=axis: m.join([a, b], axis, add_dimension="part"),
            axis,
            operands=operands.two,
            dynamic=True,
        )
    yield Case(
        "join_blocks",
        lambda m, a, b: by_block(
            m, lambda x, y: m.join_blocks([x, y], "samples", add_dimension="part"), a, b
        ),
        operands=operands.two,
        dynamic=True,
    )


def _orders() -> Iterator[Case]:
    yield Case("sort", lambda m, a: m.sort(a), "all axes")
    yield Case("sort", lambda m, a: m.sort(a, "samples", descending=True), "descending")
    yield Case("sort", lambda m, a: m.sort(a, "properties"), "properties", dynamic=True)
    yield Case("sort_block", lambda m, a: by_block(m, m.sort_block, a))


def _dimensions() -> Iterator[Case]:
    for axis in ("samples", "properties"):
        yield from _dimensions_of(axis)
    yield Case(
        "rename_dimension",
        lambda m, a: m.rename_dimension(a, "properties", "n", "k"),
        dynamic=True,
    )
    yield Case(
        "permute_dimensions",
        lambda m, a: m.permute_dimensions(a, "samples", [1, 0]),
        "samples",
        dynamic=True,
    )
    yield Case(
        "permute_dimensions",
        lambda m, a: m.permute_dimensions(a, "keys", [*range(len(a.keys.names))][::-1]),
        "keys",
        dynamic=True,
    )


def _dimensions_of(axis: str) -> Iterator[Case]:
    # Whether dynamic samples would stay unique is not known.
    unique = axis != "samples"

    def added(m: Any, a: Any) -> Any:
        return m.append_dimension(a, axis, "copy", 3)

    def removed(m: Any, a: Any) -> Any:
        return m.remove_dimension(added(m, a), axis, "copy")

    def updated(m: Any, a: Any) -> Any:
        return m.update_dimension(added(m, a), axis, "copy", 4)

    def inserted(m: Any, a: Any) -> Any:
        return m.insert_dimension(a, axis, 0, "kind", 1)

    yield Case("append_dimension", added, axis, dynamic=True)
    yield Case("remove_dimension", removed, axis, dynamic=unique)
    yield Case("insert_dimension", inserted, axis, dynamic=True)
    yield Case("update_dimension", updated, axis, peer=False, dynamic=unique)


def _moves() -> Iterator[Case]:
    yield Case(
        "TensorMap.keys_to_samples",
        lambda m, a: a.keys_to_samples("neighbor"),
        dynamic=True,
    )
    yield Case(
        "TensorMap.keys_to_properties",
        lambda m, a: a.keys_to_properties("neighbor"),
        dynamic=True,
    )
    yield Case(
        "TensorMap.components_to_properties",
        lambda m, a: a.components_to_properties(a.component_names or ["none"]),
        dynamic=True,
    )


def _creations() -> Iterator[Case]:
    for name in ("zeros_like", "ones_like", "empty_like", "remove_gradients", "detach"):
        yield from _made(name)
    yield Case(
        "random_uniform_like",
        lambda m, a: m.random_uniform_like(jax.random.key(0), a),
        "by a key",
        peer=False,
        gradients=NOT,
        dynamic=True,
    )
    yield Case(
        "random_uniform_like_block",
        lambda m, a: by_block(
            m, lambda b: m.random_uniform_like_block(jax.random.key(0), b), a
        ),
        "by a key",
        peer=False,
        gradients=NOT,
        dynamic=True,
    )
    yield from _made("make_contiguous", ANY_DEPTH)


def _made(name: str, depth: str = NOT) -> Iterator[Case]:
    """A function of maps and that of blocks, which take samples of any kind."""

    def of_blocks(m: Any, a: Any) -> Any:
        return by_block(m, getattr(m, f"{name}_block"), a)

    yield Case(name, _of_one(name), gradients=depth, dynamic=True)
    yield Case(f"{name}_block", of_blocks, gradients=depth, dynamic=True)


def _systems() -> Iterator[Case]:
    yield Case(
        "lstsq",
        lambda m, a, b: m.lstsq(a, b, 1e-3),
        operands=operands.with_targets,
        gradients=NOT,
    )
    yield Case(
        "solve", lambda m, a, b: m.solve(a, b), operands=operands.squares, gradients=NOT
    )
