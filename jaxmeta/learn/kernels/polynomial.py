"""Polynomial kernels between structures and single environments, with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_bool, check_whole
from jaxmeta.core.labels._names import check_dimensions, dimension_names
from jaxmeta.core.layouts._differences import block_name, check_same_labels
from jaxmeta.core.layouts._precision import check_same_dtype
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    choices,
    compose,
)
from jaxmeta.learn._matching import VALUES
from jaxmeta.learn.kernels._rows import Aggregated, aggregated
from jaxmeta.learn.ridge._systems import check_features


class PolynomialKernel(eqx.Module):
    r"""The kernel :math:`(x \cdot x')^\zeta`, summed over the atoms of a structure.

    Environments are compared within blocks: those of other keys have nothing in common.
    A structure :math:`A` and an environment :math:`m` have
    :math:`K_{Am} = \sum_{i \in A} (x_i \cdot x_m)^\zeta`. Gradients:
    :math:`\nabla K_{Am} = \sum_{i \in A} \zeta (x_i \cdot x_m)^{\zeta - 1}
    \nabla x_i \cdot x_m`, taken some rows at a time, so that what belongs to one atom and
    one environment is never there for all at once.

    Static: a kernel has no arrays.

    Arguments:
        exponent: :math:`\zeta`, a positive integer.
        normalised: whether features are divided by their norms, :math:`x / |x|`; those
            that are zero stay zero. Gradients follow.
        aggregate: dimensions of the samples to sum over, beside the keys.

    Raises:
        InvalidError: for an exponent of less than one, or names that are none.
        InvalidTypeError: for arguments of other types.

    Example:
        >>> atoms, n = Labels(["system", "atom"], [[0, 0], [0, 1]]), Labels.range("n", 2)
        >>> block = TensorBlock(jnp.array([[1.0, 0.0], [2.0, 1.0]]), atoms, [], n)
        >>> X = TensorMap(Labels("center_type", [[8]]), [block])
        >>> K = PolynomialKernel(2)(X, X)[0]  # (1 + 4, 4 + 25)
        >>> K.values.tolist(), K.samples.names, K.properties.names
        ([[5.0, 29.0]], ['system'], ['center_type', 'system', 'atom'])
    """

    exponent: int = eqx.field(static=True)
    normalised: bool = eqx.field(static=True)
    aggregate: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        exponent: int,
        *,
        normalised: bool = False,
        aggregate: str | Sequence[str] = "atom",
    ) -> None:
        self.exponent = check_whole("PolynomialKernel", "the exponent", exponent, 1)
        self.normalised = check_bool("PolynomialKernel", "normalised", normalised)
        self.aggregate = dimension_names(aggregate, "PolynomialKernel")

    def __call__(
        self,
        X: TensorMap,
        sparse: TensorMap,
        *,
        into: Labels | None = None,
        chunk: int | None = None,
    ) -> TensorMap:
        """The kernel between structures and environments, as features of structures.

        Goes through ``jit`` and ``grad``.

        Arguments:
            X: features of environments, static samples, no components.
            sparse: environments to compare with: some of the keys of `X` or others, the
                same properties; static samples. Its gradients do not matter.
            into: the samples of the result, in this order; sorted by default.
            chunk: how many gradient rows are taken at a time, at most; by default as many
                as make 64 MB.

        Returns:
            A map with one block: the samples of `X` without those summed over, a property
            for each environment (named by key and sample), and the gradients of `X`.

        Raises:
            MissingError: for keys that `sparse` lacks, dimensions that samples lack, and
                samples that are not in `into`.
            NotEqualError: when properties differ.
            InvalidError: for components, or `into` with other names.
            DynamicSamplesError: for dynamic samples.
            InvalidTypeError: for other arguments, and dtypes that differ.
        """
        where = "PolynomialKernel"
        check_pair(where, X, sparse)
        if not len(X):
            raise InvalidError(compose(f"{where}: the features have no block."))
        check_dimensions(where, "samples", self.aggregate, X.sample_names)
        _check_room(where, into, chunk)
        rows = aggregated(where, X, self.aggregate, into)
        labels, starts = sparse_labels(sparse)
        parts = [_place(X, sparse, i, starts) for i in range(len(X))]
        values = _values(self, X, sparse, rows, parts, len(labels))
        gradients = {}
        for name in X[0].gradients_list():
            array = _gradients(self, X, sparse, rows, parts, len(labels), name, chunk)
            components = rows.components[name]
            gradients[name] = TensorBlock(array, rows.samples[name], components, labels)
        block = TensorBlock(values, rows.samples[VALUES], [], labels, gradients)
        return TensorMap(Labels.single(), [block])

    def between(self, sparse: TensorMap) -> Any:
        """The kernel of environments with one another, of shape (all, all).

        Arguments:
            sparse: environments; those of different keys have zero.
        """
        check_pair("PolynomialKernel.between", sparse, sparse)
        blocks = [self.products(b.values, b.values) ** self.exponent for b in sparse]
        return jax.scipy.linalg.block_diag(*blocks)

    def products(self, x: Any, environments: Any) -> Any:
        """The scalar products that are raised to a power, of shape (rows, environments)."""
        return self.scaled(jnp.asarray(x)) @ self.scaled(jnp.asarray(environments)).T

    def scaled(self, x: Any) -> Any:
        """The features as they are compared."""
        return x / norms(x)[:, None] if self.normalised else x


def norms(x: Any) -> Any:
    """The norms of rows; one for a row that is zero, and for its derivative."""
    squares = (x * x).sum(axis=1)
    return jnp.sqrt(jnp.where(squares > 0, squares, 1.0))


def check_pair(where: str, X: TensorMap, sparse: TensorMap) -> None:
    """Refuse environments that features can not be compared with."""
    check_features(where, X, sparse)
    check_same_dtype(where, X, sparse, ("X", "sparse"))
    _check_sparse(where, sparse)
    same = X.keys.names == sparse.keys.names
    for index, key in enumerate(X.keys):
        name = block_name(X.keys, index)
        if not same or key not in sparse.keys:
            raise MissingError(
                compose(
                    f"{where}: there are no environments for {name}.",
                    choices(key.print(), [each.print() for each in sparse.keys]),
                    remedy="choose some for it, or drop_blocks() it.",
                )
            )
        other = sparse.block(key).properties
        check_same_labels(where, name, "properties", X[index].properties, other)


def _check_sparse(where: str, sparse: TensorMap) -> None:
    for index, block in enumerate(sparse):
        name = f"{block_name(sparse.keys, index)} of sparse="
        if isinstance(block.samples, DynamicLabels):
            raise DynamicSamplesError(
                compose(
                    f"{where}: the samples of {name} are dynamic.", remedy="unpad() it."
                )
            )
        if block.components:
            raise InvalidError(compose(f"{where}: {name} has components."))


def _check_room(where: str, into: Any, chunk: Any) -> None:
    if into is not None and not isinstance(into, Labels):
        raise InvalidTypeError(
            compose(f"{where}: into must be Labels.", f"found {type(into).__name__}")
        )
    if chunk is not None:
        check_whole(where, "chunk", chunk, 1)


def sparse_labels(sparse: TensorMap) -> tuple[Labels, list[int]]:
    """All environments, named by key and sample, and where each block begins."""
    single = sparse.keys is Labels.single()
    names = [*([] if single else sparse.keys.names), *sparse.sample_names]
    rows, starts, start = [], [], 0
    for key, block in sparse.items():
        samples = np.asarray(block.samples.values)
        keys = np.tile(np.asarray(key.values, np.int32), (len(samples), 1))
        rows.append(samples if single else np.concatenate([keys, samples], axis=1))
        starts.append(start)
        start += len(samples)
    taken = [f"of_{n}" if n in names[:i] else n for i, n in enumerate(names)]
    return Labels(taken, np.concatenate(rows)), starts


def _place(X: TensorMap, sparse: TensorMap, index: int, starts: list[int]) -> Any:
    """The block of environments for a block of features, and its first column."""
    position = sparse.keys.position(X.keys.entry(index))
    assert position is not None
    return sparse[position], starts[position]


def _values(
    kernel: PolynomialKernel,
    X: TensorMap,
    sparse: TensorMap,
    rows: Aggregated,
    parts: list[Any],
    width: int,
) -> Any:
    out = jnp.zeros((len(rows.samples[VALUES]), width), X.dtype)
    for i, (block, (other, start)) in enumerate(zip(X, parts, strict=True)):
        out = _add_values(
            kernel, out, block.values, other.values, rows.targets[i][VALUES], start
        )
    return out


@partial(jax.jit, static_argnums=(0, 5))
def _add_values(
    kernel: PolynomialKernel, out: Any, x: Any, other: Any, targets: Any, start: int
) -> Any:
    found = kernel.products(x, other) ** kernel.exponent
    return out.at[targets, start : start + other.shape[0]].add(found)


def _gradients(
    kernel: PolynomialKernel,
    X: TensorMap,
    sparse: TensorMap,
    rows: Aggregated,
    parts: list[Any],
    width: int,
    name: str,
    chunk: int | None,
) -> Any:
    sizes = [len(labels) for labels in rows.components[name]]
    out = jnp.zeros((len(rows.samples[name]), prod(sizes), width), X.dtype)
    most = max(2**23 // max(prod(sizes) * width, 1), 1) if chunk is None else chunk
    for i, (block, (other, start)) in enumerate(zip(X, parts, strict=True)):
        gradient = block.gradient(name)
        if len(gradient) and len(other):
            owners = np.asarray(gradient.samples.values)[:, 0]
            arrays = block.values, gradient.values, other.values
            indices = owners, rows.targets[i][name]
            out = _add_gradients(kernel, out, *arrays, *indices, start, most)
    return out.reshape(len(rows.samples[name]), *sizes, width)


@partial(jax.jit, static_argnums=(0, 7, 8))
def _add_gradients(
    kernel: PolynomialKernel,
    out: Any,
    x: Any,
    dx: Any,
    other: Any,
    owners: Any,
    targets: Any,
    start: int,
    chunk: int,
) -> Any:
    """Add the gradient rows of one block, some of them at a time."""
    number, columns = dx.shape[0], slice(start, start + other.shape[0])
    chunk = min(chunk, number)
    x, dx, owners, targets = (jnp.asarray(a) for a in (x, dx, owners, targets))
    dx = dx.reshape(number, -1, dx.shape[-1])
    unit, others = kernel.scaled(x), kernel.scaled(jnp.asarray(other))

    def body(step: Any, out: Any) -> Any:
        # The last chunk reaches back over rows that were added already.
        first = jnp.minimum(step * chunk, number - chunk)
        d, own, to = (
            jax.lax.dynamic_slice_in_dim(a, first, chunk) for a in (dx, owners, targets)
        )
        new = first + jnp.arange(chunk) >= step * chunk
        slopes = _slopes(kernel, x[own], unit[own], d, others)
        return out.at[to, :, columns].add(jnp.where(new[:, None, None], slopes, 0.0))

    return jax.lax.fori_loop(0, -(-number // chunk), body, out)


def _slopes(kernel: PolynomialKernel, x: Any, unit: Any, dx: Any, others: Any) -> Any:
    """Derivatives of the kernel, of shape (rows, components, environments)."""
    products = unit @ others.T
    change = dx @ others.T
    if kernel.normalised:
        along = jnp.einsum("gcp,gp->gc", dx, unit)
        change = change - along[:, :, None] * products[:, None, :]
        change = change / norms(x)[:, None, None]
    return kernel.exponent * products[:, None, :] ** (kernel.exponent - 1) * change
