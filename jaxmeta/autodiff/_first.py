"""First derivatives: the values of a function and the arrays of their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from jaxmeta.autodiff._owners import WHERE, Place
from jaxmeta.autodiff._passes import (
    Arrays,
    Backwards,
    Forwards,
    gathered,
    linearised,
    turn_count,
    turns_of,
    without_padding,
)
from jaxmeta.autodiff._rows import Rows, rows_of
from jaxmeta.autodiff.parameters import Parameter
from jaxmeta.core import PADDING, TensorMap
from jaxmeta.errors import DynamicSamplesError, InvalidTypeError, compose


Mode: TypeAlias = Literal["auto", "forward", "reverse"]


class Asked(NamedTuple):
    """What is to be differentiated, by what, and how."""

    call: Callable[[Arrays], tuple[TensorMap, Any]]
    parameters: Mapping[str, Parameter]
    mode: Mode
    chunk: int | None


class Found(NamedTuple):
    """The arrays of all blocks: their values, and their gradients by name."""

    values: list[Any]
    gradients: list[dict[str, Any]]


class Rest(NamedTuple):
    """What is not differentiated: the labels, and what else the function gave."""

    tensor: TensorMap
    rows: list[dict[str, Rows]]
    aux: Any


def first_order(asked: Asked, at: Arrays) -> tuple[Found, Rest]:
    """All values and gradients, from one linearisation of the function."""

    def values_of(arrays: Arrays) -> tuple[list[Any], Any]:
        tensor, aux = asked.call(arrays)
        return [block.values for block in tensor], (tensor, aux)

    values, push, (tensor, aux) = linearised(values_of, at)
    rows = [
        {
            name: rows_of(Place(name, parameter, i, len(tensor), key.print(), block))
            for name, parameter in asked.parameters.items()
        }
        for i, (key, block) in enumerate(tensor.items())
    ]
    passes = _Passes(tensor, rows, push, at, asked.chunk)
    gradients = _gradients(asked.mode, passes)
    masked = [
        {name: without_padding(array, some[name]) for name, array in found.items()}
        for found, some in zip(gradients, rows, strict=True)
    ]
    return Found(values, masked), Rest(tensor, rows, aux)


class _Passes(NamedTuple):
    """The passes that the gradients of all blocks take, one way or the other."""

    tensor: TensorMap
    rows: list[dict[str, Rows]]
    push: Callable[[Arrays], Any]
    at: Arrays
    chunk: int | None

    def backwards(self) -> list[dict[str, Any]]:
        return [
            Backwards.of(i, block, self.push, self.at, self.chunk).gradients(self.rows[i])
            for i, block in enumerate(self.tensor)
        ]

    def forwards(self) -> list[dict[str, Any]]:
        passes = Forwards(self.push, self.at, self.chunk)
        found: list[dict[str, Any]] = []
        for i, rows in enumerate(self.rows):
            own = {}
            for name, each in rows.items():
                turns = self.turns(i, name)
                row = np.arange(len(turns)) if each.row is None else each.row
                pushed = passes.pushed(name, turns)[i]
                outer = self.at[name].shape[1:]
                own[name] = gathered(pushed, turns[row], each.sample, outer)
            found.append(own)
        return found

    def turns(self, number: int, name: str) -> np.ndarray:
        owner = self.rows[number][name].owner
        return turns_of(owner, self.at[name].shape[0], PADDING)

    @property
    def traced_owners(self) -> list[str]:
        """The parameters whose rows have no turns that are known."""
        names = {
            name
            for rows in self.rows
            for name, each in rows.items()
            if not (each.dense or isinstance(each.owner, np.ndarray))
        }
        return sorted(names)

    def forward_count(self) -> int:
        """How many directions are pushed forwards."""
        different = {
            (name, self.turns(i, name).tobytes()): turn_count(self.turns(i, name))
            * math.prod(self.at[name].shape[1:])
            for i, rows in enumerate(self.rows)
            for name in rows
        }
        return sum(different.values())

    def backward_count(self) -> int:
        """How many entries of the values are pulled back."""
        total = 0
        for block, rows in zip(self.tensor, self.rows, strict=True):
            samples, *inner = block.shape
            for dense in {each.dense for each in rows.values()}:
                total += math.prod(inner) * (samples if dense else 1)
        return total


def _gradients(mode: Mode, passes: _Passes) -> list[dict[str, Any]]:
    if not _is_forward(mode, passes):
        return passes.backwards()
    try:
        return passes.forwards()
    except TypeError as error:
        if "custom_vjp" not in str(error):
            raise
        if mode == "auto":
            return passes.backwards()
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the function has no derivatives forwards.",
                "it calls one with derivatives by jax.custom_vjp",
                remedy='give mode="reverse".',
            )
        ) from error


def _is_forward(mode: Mode, passes: _Passes) -> bool:
    if mode == "reverse":
        return False
    traced = passes.traced_owners
    if mode == "forward" and traced:
        raise DynamicSamplesError(
            compose(
                f"{WHERE}: passes forwards need to know the owners of rows.",
                f"those of {', '.join(map(repr, traced))} are traced",
                remedy='give mode="reverse", or owners of numpy.',
            )
        )
    if mode == "forward":
        return True
    dense = any(each.dense for rows in passes.rows for each in rows.values())
    wide = any(math.prod(block.shape[1:]) > 1 for block in passes.tensor)
    if traced or not (dense or wide):
        return False
    return passes.forward_count() < passes.backward_count()
