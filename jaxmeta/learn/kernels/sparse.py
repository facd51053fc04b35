"""SparseGPR: Gaussian process regression on a subset of regressors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.core.gradients._destinations import Into
from jaxmeta.core.gradients._second_order import refuse_nested
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.layouts._differences import block_name, check_same_labels
from jaxmeta.core.plans._compilable import Compilable
from jaxmeta.errors import InvalidError, InvalidTypeError, compose
from jaxmeta.learn.kernels.polynomial import PolynomialKernel, check_pair, sparse_labels
from jaxmeta.learn.ridge._solvers import scaled, solve_rows
from jaxmeta.learn.ridge._systems import System, check_features, systems
from jaxmeta.learn.ridge.model import check_solved
from jaxmeta.operations._arguments import check_choice, check_map, check_number
from jaxmeta.operations.gradients import remove_gradients
from jaxmeta.operations.reductions import sum_over_samples


Solver: TypeAlias = Literal["rkhs-qr", "rkhs", "solve"]


class SparseGPR(Compilable):
    r"""A Gaussian process whose functions are sums of kernels on some environments.

    `fit` makes one. The prediction for a structure is :math:`\sum_m K_{Am} c_m`, with
    kernels on environments :math:`m`; the weights minimise
    :math:`\sum_r s_r |K_r c - y_r|^2 + \alpha\, c^T K_{MM} c` (the subset of regressors:
    Quiñonero-Candela and Rasmussen, J. Mach. Learn. Res. 6, 1939, 2005). With rows for
    forces it is the Gaussian approximation potential of Bartók and Csányi (Int. J.
    Quantum Chem. 115, 1051, 2015). Subtract a `Composition` before.

    Immutable, a pytree whose leaves are the weights and the environments.

    Arguments:
        weights: one block: samples are the properties of the target, properties the
            environments.
        sparse: the features of the environments.
        kernel: the kernel.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> atoms = Labels(["system", "atom"], [[i, a] for i in range(8) for a in (0, 1)])
        >>> x = jnp.asarray(rng.normal(size=(16, 2)))
        >>> X = TensorMap(
        ...     Labels("center_type", [[1]]),
        ...     [TensorBlock(x, atoms, [], Labels.range("n", 2))],
        ... )
        >>> energies = (x[:, 0] * x[:, 1]).reshape(8, 2).sum(axis=1, keepdims=True)
        >>> e, s = Labels("energy", [[0]]), Labels.range("system", 8)
        >>> y = TensorMap(Labels.single(), [TensorBlock(energies, s, [], e)])
        >>> model = SparseGPR.fit(X, y, sparse=X, kernel=PolynomialKernel(2), alpha=1e-9)
        >>> float(abs(model.predict(X)[0].values - energies).max()) < 1e-6
        True
    """

    weights: TensorMap
    sparse: TensorMap
    kernel: PolynomialKernel

    def __check_init__(self) -> None:
        for tensor in (self.weights, self.sparse):
            check_map("SparseGPR", tensor)
        _check_kernel(self.kernel)

    @classmethod
    def fit(
        cls,
        X: TensorMap,
        y: TensorMap,
        *,
        sparse: TensorMap,
        kernel: PolynomialKernel,
        alpha: float,
        sample_weight: Any = None,
        sizes: Any = None,
        solver: Solver = "rkhs-qr",
        jitter: float | None = None,
        chunk: int | None = None,
    ) -> SparseGPR:
        r"""The model for features of environments and targets of structures.

        Rows are the values and all rows of every gradient of `y`, as of `Ridge.fit`.
        Features with gradients are large: where they do not fit into memory, take kernels
        of one batch after the other, which are small, and `fit_kernel`.

        Arguments:
            X: features of environments, with the gradients of `y`: samples for instance
                ``system, atom``, static.
            y: targets of structures, one block, no components: samples ``system``.
            sparse: environments, for instance chosen by `select_fps`; keys and properties
                are those of `X`.
            kernel: the kernel between two environments.
            alpha: the variance of the noise of a row of weight one, in units of the
                variance of the process: a number that is not negative.
            sample_weight: what multiplies squared residuals, as of `Ridge.fit`.
            sizes: numbers of atoms by which errors of the values are divided.
            solver: ``"rkhs-qr"``: orthogonal features from the kernel of the
                environments, then a factorisation of the rows (Foster et al., J. Mach.
                Learn. Res. 10, 857, 2009), accurate where environments are alike.
                ``"rkhs"``: the same features, and their normal equations, faster.
                ``"solve"``: normal equations with a jitter and no such features, fastest,
                least accurate where environments are alike.
            jitter: the first two solvers leave out directions with less than this
                fraction of the largest eigenvalue, by default the precision times the
                number of environments. ``"solve"`` makes the diagonal larger by this
                fraction of itself, by default the smallest that lets the equations be
                solved: the precision times a power of four.
            chunk: gradient rows at a time, as of `PolynomialKernel`.

        Raises:
            InvalidError: for several blocks in `y`, components, a bad solver, systems
                without finite solution, and as `Ridge.fit`.
            MissingError: for keys without environments, gradients of `y` that `X` lacks,
                structures that only one side has.
            NotEqualError: for labels that differ.
            DynamicSamplesError: for dynamic samples.
            InvalidTypeError: for other arguments, and dtypes that differ.
        """
        into = _target_samples("SparseGPR.fit", y)
        _check_kernel(kernel)
        check_pair("SparseGPR.fit", X, sparse)
        K = kernel(_needed(X, y, sample_weight), sparse, into=into, chunk=chunk)
        return cls.fit_kernel(
            K,
            y,
            sparse=sparse,
            kernel=kernel,
            alpha=alpha,
            sample_weight=sample_weight,
            sizes=sizes,
            solver=solver,
            jitter=jitter,
        )

    @classmethod
    def fit_kernel(
        cls,
        K: TensorMap,
        y: TensorMap,
        *,
        sparse: TensorMap,
        kernel: PolynomialKernel,
        alpha: float,
        sample_weight: Any = None,
        sizes: Any = None,
        solver: Solver = "rkhs-qr",
        jitter: float | None = None,
    ) -> SparseGPR:
        """The model from kernels that are there already, ``K = kernel(X, sparse)``.

        Kernels of batches are joined along samples. Arguments and errors are those of
        `fit`; the samples of `K` are those of `y`, in this order.
        """
        where = "SparseGPR.fit"
        _check_kernel(kernel)
        check_choice(where, "solver", solver, tuple(_SOLVERS))
        number = check_number(where, "alpha", alpha)
        small = None if jitter is None else check_number(where, "jitter", jitter)
        _target_samples(where, y)
        labels = _checked_kernel(where, K, sparse)
        renamed = TensorMap(y.keys, [K[0]])
        (system,) = systems(where, renamed, y, sample_weight, sizes)
        weights = _SOLVERS[solver](system, kernel.between(sparse), number, small)
        remedy = "not finite, or singular to working precision: a larger alpha or jitter."
        check_solved(where, "the model", weights, remedy)
        block = TensorBlock(weights.T, y[0].properties, [], labels)
        return cls(TensorMap(y.keys, [block]), remove_gradients(sparse), kernel)

    def predict(
        self, X: TensorMap, *, per_environment: bool = False, into: Into | None = None
    ) -> TensorMap:
        r"""The targets of structures, with the gradients that `X` has.

        Values: sums of kernels and weights. Gradients: :math:`\nabla x_i \cdot \partial
        y / \partial x_i`, one product for each row; no kernel has a gradient here.

        Goes through ``jit`` and ``grad``: as a function of features it is a polynomial,
        so that forces follow from positions by automatic differentiation.

        Arguments:
            X: features of environments, with static or dynamic samples; keys are some of
                those of the environments.
            per_environment: give the share of each environment, in blocks as `X` has,
                instead of the sums.
            into: the samples of the sums, as of `sum_over_samples`.

        Raises:
            MissingError: for keys without environments.
            NotEqualError: when properties differ.
            InvalidTypeError: for another dtype.
            NestedGradientsError: for gradients of gradients.
        """
        where = "SparseGPR.predict"
        check_bool(where, "per_environment", per_environment)
        check_pair(where, X, self.sparse)
        _, starts = sparse_labels(self.sparse)
        c = jnp.asarray(self.weights[0].values)
        blocks = []
        for index, block in enumerate(X):
            _check_shares(where, block_name(X.keys, index), block)
            position = self.sparse.keys.position(X.keys.entry(index))
            assert position is not None
            other = self.sparse[position]
            part = c[:, starts[position] : starts[position] + other.shape[0]]
            blocks.append(self._shares(block, jnp.asarray(other.values), part))
        shares = TensorMap(X.keys, blocks, X.info())
        return shares if per_environment else self._sums(shares, into)

    def _shares(self, block: TensorBlock, others: Any, c: Any) -> TensorBlock:
        """The values of each environment of a block, and their gradients."""

        def of(x: Any) -> Any:
            products = self.kernel.products(x[None, :], others)
            return (products**self.kernel.exponent @ c.T)[0]

        x, properties = jnp.asarray(block.values), self.weights[0].samples
        assert isinstance(properties, Labels)
        gradients, slopes = {}, None
        for name, gradient in block.gradients():
            slopes = jax.vmap(jax.jacrev(of))(x) if slopes is None else slopes
            owners = jnp.asarray(gradient.samples.values)[:, 0]
            own = slopes.at[owners].get(mode="fill", fill_value=0)
            dx = jnp.asarray(gradient.values).reshape(len(gradient), -1, x.shape[1])
            array = jnp.einsum("gcp,gqp->gcq", dx, own)
            shape = (*gradient.shape[:-1], c.shape[0])
            gradients[name] = TensorBlock(
                array.reshape(shape), gradient.samples, gradient.components, properties
            )
        values = self.kernel.products(x, others) ** self.kernel.exponent @ c.T
        return TensorBlock(values, block.samples, [], properties, gradients)

    def _sums(self, shares: TensorMap, into: Into | None) -> TensorMap:
        names: Sequence[str] = self.kernel.aggregate
        if shares.keys is not Labels.single():
            names = [*names, *shares.keys.names]
            shares = shares.keys_to_samples(shares.keys.names)
        found = sum_over_samples(shares, names, into=into)
        return TensorMap(self.weights.keys, [found[0]], found.info())


def _check_shares(where: str, name: str, block: TensorBlock) -> None:
    if block.components:
        raise InvalidError(compose(f"{where}: {name} has components."))
    for parameter, gradient in block.gradients():
        for inner in gradient.gradients_list():
            refuse_nested(where, f"gradient {parameter!r} of {name}", inner)


def _needed(X: TensorMap, y: TensorMap, sample_weight: Any) -> TensorMap:
    """The features without gradients that do not take part."""
    wanted = y[0].gradients_list()
    if isinstance(sample_weight, Mapping):
        wanted = [name for name in wanted if name in sample_weight]
    own = X[0].gradients_list() if len(X) else []
    return remove_gradients(X, [name for name in own if name not in wanted])


def _check_kernel(kernel: Any) -> None:
    if not isinstance(kernel, PolynomialKernel):
        raise InvalidTypeError(
            compose(
                "SparseGPR.fit: the kernel must be a PolynomialKernel.",
                f"found {type(kernel).__name__}",
            )
        )


def _checked_kernel(where: str, K: Any, sparse: Any) -> Labels:
    """The environments, if the kernel is one of structures and these."""
    check_pair(where, sparse, sparse)
    check_features(where, K, sparse)
    labels, _ = sparse_labels(sparse)
    if len(K) != 1:
        raise InvalidError(compose(f"{where}: a kernel has one block, found {len(K)}."))
    check_same_labels(where, "the kernel", "properties", K[0].properties, labels)
    return labels


def _target_samples(where: str, y: Any) -> Labels:
    if not isinstance(y, TensorMap) or len(y) != 1:
        found = f"{len(y)} blocks" if isinstance(y, TensorMap) else type(y).__name__
        kind = InvalidError if isinstance(y, TensorMap) else InvalidTypeError
        raise kind(
            compose(
                f"{where}: the target must be a map with one block.",
                f"found {found}",
                remedy="fit a model for each block.",
            )
        )
    samples = y[0].samples
    if isinstance(samples, DynamicLabels):
        raise InvalidError(
            compose(f"{where}: the samples of y are dynamic.", remedy="unpad() it.")
        )
    return samples


def _rkhs(
    solver: str, system: System, kernel: Any, alpha: float, jitter: float | None
) -> Any:
    dtype = kernel.dtype
    least = jnp.finfo(dtype).eps * kernel.shape[0] if jitter is None else jitter
    values, vectors = jnp.linalg.eigh(kernel)
    kept = values > least * values.max(initial=0)
    roots = jnp.where(kept, jax.lax.rsqrt(jnp.where(kept, values, 1.0)), 0.0)
    basis = vectors * roots[None, :]
    # A direction that is left out is a feature that is zero: any penalty will do.
    penalty = jnp.where(kept, jnp.asarray(alpha, dtype), jnp.ones((), dtype))
    limits = np.zeros((), dtype), np.zeros((), np.int32)
    theta = solve_rows(
        solver, system.left @ basis, system.right, system.weights, penalty, *limits
    )
    return basis @ theta


def _normal(system: System, kernel: Any, alpha: float, jitter: float | None) -> Any:
    x, y = scaled(system.left, system.right, system.weights)
    matrix = x.T @ x + alpha * kernel
    # Kernels of environments may differ by orders of magnitude: relative to its own
    # diagonal a jitter is as small for the smallest as for the largest.
    diagonal = jnp.diagonal(matrix)
    scale = jnp.where(diagonal > 0, jax.lax.rsqrt(jnp.where(diagonal > 0, diagonal, 1)), 0)
    matrix = matrix * scale[:, None] * scale[None, :]
    small = _smallest_jitter(matrix) if jitter is None else jitter
    factor = _factor(matrix, small)
    return scale[:, None] * jax.scipy.linalg.cho_solve(
        (factor, True), scale[:, None] * (x.T @ y)
    )


def _factor(matrix: Any, jitter: Any) -> Any:
    return jnp.linalg.cholesky(matrix + jitter * jnp.eye(len(matrix), dtype=matrix.dtype))


def _smallest_jitter(matrix: Any) -> Any:
    """The first power of four, times the precision, with which there is a factor."""
    matrix = jax.lax.stop_gradient(matrix)
    eps = jnp.finfo(matrix.dtype).eps
    most = eps * 4.0**20  # what is still not positive then is NaN
    return jax.lax.while_loop(
        lambda small: (small < most) & ~jnp.isfinite(_factor(matrix, small)).all(),
        lambda small: 4 * small,
        jnp.asarray(eps, matrix.dtype),
    )


_SOLVERS = {
    "rkhs-qr": partial(_rkhs, "qr"),
    "rkhs": partial(_rkhs, "primal"),
    "solve": _normal,
}
