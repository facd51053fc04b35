"""The arrays of gradients, by passes forwards or backwards through a linearised function.

A pass pushes one direction of the parameters forwards, or pulls one entry of the values
back. Rows that feed one sample each share passes: all samples are pulled back at once, and
rows of different samples are pushed at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.autodiff._rows import Rows
from jaxmeta.core import DynamicLabels, TensorBlock


Arrays = Mapping[str, Any]


def linearised(function: Callable[[Arrays], Any], at: Arrays) -> tuple[Any, Any, Any]:
    """The arrays that a function gives, their derivative as a linear map, and the rest.

    Arguments:
        function: gives a tree of arrays, and a tree of anything that is not differentiated.
        at: the arrays that it is differentiated by.
    """
    constants: list[Any] = []

    def split(arrays: Arrays) -> tuple[Any, Any]:
        found, rest = function(arrays)
        moving, fixed = eqx.partition(rest, eqx.is_array)
        constants[:] = [fixed]  # JAX lets only arrays through
        return found, moving

    found, push, moving = jax.linearize(split, at, has_aux=True)
    return found, push, eqx.combine(moving, constants[0])


def in_chunks(one: Callable[[Any], Any], count: int, chunk: int | None) -> Any:
    """The results of a function of a number, for all numbers, `chunk` of them at once."""
    if chunk is None or chunk >= count:
        return jax.vmap(one)(jnp.arange(count, dtype=jnp.int32))
    # Chunks of one size; lax.map(..., batch_size=...) can not do with empty results.
    chunks = -(-count // chunk)
    size = -(-count // chunks)
    numbers = jnp.arange(chunks * size, dtype=jnp.int32).reshape(chunks, size)
    found = jax.lax.map(jax.vmap(one), numbers)
    return jax.tree.map(lambda x: x.reshape(chunks * size, *x.shape[2:])[:count], found)


# Backwards ------------------------------------------------------------------------------


class Backwards(NamedTuple):
    """Pulls entries of one block of values back to the parameters."""

    block: TensorBlock
    pull: Callable[[Any], Arrays]
    chunk: int | None

    @classmethod
    def of(cls, number: int, block: TensorBlock, push: Any, at: Arrays, chunk: Any) -> Any:
        """That of one block of values that a linearised function gives."""
        # The transpose of one output alone: no pass through the parts of the others.
        transpose = jax.linear_transpose(lambda tangents: push(tangents)[number], at)
        return cls(block, lambda cotangent: transpose(cotangent)[0], chunk)

    def gradients(self, rows: Mapping[str, Rows]) -> dict[str, Any]:
        """The arrays of the gradients by all parameters."""
        found = {}
        for dense in {each.dense for each in rows.values()}:
            pulled = self._all_samples() if not dense else self._each_sample()
            for name, each in rows.items():
                if each.dense == dense:
                    found[name] = self._arranged(pulled[name], each)
        return found

    def _all_samples(self) -> Arrays:
        """(entries, *parameter): of one entry of all samples at a time."""
        _, *inner = self.block.shape
        if math.prod(inner) == 1:
            pulled = self.pull(self._ones())
            return {name: array[None] for name, array in pulled.items()}

        def pull(entry: Any) -> Arrays:
            chosen = _one_hot(entry, (1, *inner), self.block.dtype)
            return self.pull(self._ones() * chosen)

        return in_chunks(pull, math.prod(inner), self.chunk)

    def _each_sample(self) -> Arrays:
        """(samples x entries, *parameter): of one number at a time."""
        shape, dtype = self.block.shape, self.block.dtype

        def pull(number: Any) -> Arrays:
            return self.pull(self._ones() * _one_hot(number, shape, dtype))

        return in_chunks(pull, math.prod(shape), self.chunk)

    def _ones(self) -> Any:
        """Ones in the shape of the values, zeros for padding."""
        ones = jnp.ones(self.block.shape, self.block.dtype)
        samples = self.block.samples
        if not isinstance(samples, DynamicLabels):
            return ones
        return jnp.where(_spread(samples.mask, ones), ones, jnp.zeros_like(ones))

    def _arranged(self, pulled: Any, rows: Rows) -> Any:
        """From (entries, rows, *components) to (rows, *components, *entries)."""
        samples, *inner = self.block.shape
        outer = pulled.shape[1:]
        if rows.dense:
            pulled = pulled.reshape(samples, math.prod(inner), *outer)
            moved = jnp.moveaxis(pulled, 1, -1)
            return moved.reshape(samples * outer[0], *outer[1:], *inner)
        moved = jnp.moveaxis(pulled, 0, -1)
        moved = moved if rows.row is None else moved[rows.row]
        return moved.reshape(moved.shape[0], *outer[1:], *inner)


def _one_hot(number: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    places = jnp.arange(math.prod(shape), dtype=jnp.int32)
    return (places == number).astype(dtype).reshape(shape)


def _spread(mask: Any, like: Any) -> Any:
    """A mask of rows with as many axes as an array."""
    return mask.reshape(*mask.shape, *[1] * (like.ndim - mask.ndim))


def without_padding(gradient: Any, rows: Rows) -> Any:
    """A gradient whose padding rows are zero."""
    if rows.used is None:
        return gradient
    return jnp.where(_spread(rows.used, gradient), gradient, jnp.zeros_like(gradient))


# Forwards -------------------------------------------------------------------------------


class Forwards:
    """Pushes rows of parameters forwards, of different samples at once.

    Arguments:
        push: from directions of all parameters to those of any tree of arrays.
        at: the parameters.
        chunk: how many directions are pushed at once.
    """

    def __init__(self, push: Callable[[Arrays], Any], at: Arrays, chunk: int | None):
        self._push = push
        self._at = at
        self._chunk = chunk
        self._pushed: dict[tuple[str, bytes], Any] = {}

    def pushed(self, name: str, turns: np.ndarray) -> Any:
        """A tree of (turns, entries of a row, *array): rows of one turn at a time."""
        key = name, turns.tobytes()
        if key not in self._pushed:
            self._pushed[key] = self._all_turns(name, turns)
        return self._pushed[key]

    def _all_turns(self, name: str, turns: np.ndarray) -> Any:
        values = self._at[name]
        zeros = {other: jnp.zeros_like(array) for other, array in self._at.items()}
        inner = math.prod(values.shape[1:])
        count, numbered = turn_count(turns), jnp.asarray(turns.astype(np.int32))

        def push(number: Any) -> Any:
            rows = (numbered == number // inner).astype(values.dtype)
            entries = _one_hot(number % inner, values.shape[1:], values.dtype)
            direction = _spread(rows, values) * entries[None]
            return self._push({**zeros, name: direction})

        pushed = in_chunks(push, count * inner, self._chunk)
        return jax.tree.map(lambda x: x.reshape(count, inner, *x.shape[1:]), pushed)


def gathered(pushed: Any, turns: Any, rows: Any, outer: tuple[int, ...]) -> Any:
    """From (turns, entries of a row, rows, ...) to (chosen, *components, ...)."""
    found = pushed[turns, :, rows]
    return found.reshape(found.shape[0], *outer, *found.shape[2:])


def turns_of(owner: np.ndarray | None, rows: int, padding: int) -> np.ndarray:
    """For each row of a parameter its turn among those of its sample; -1 for padding.

    Where every row feeds every sample, each row has a turn of its own.
    """
    if owner is None:
        return np.arange(rows)
    order = np.argsort(owner, kind="stable")
    ordered = owner[order]
    turns = np.empty(len(owner), np.int64)
    turns[order] = np.arange(len(owner)) - np.searchsorted(ordered, ordered)
    turns[owner == padding] = -1
    return turns


def turn_count(turns: np.ndarray) -> int:
    """How many turns there are."""
    return int(turns.max(initial=-1)) + 1
