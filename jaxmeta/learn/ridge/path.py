"""Ridge models for many penalties from one factorisation, and which of them is best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxmeta.core import DynamicLabels, Labels, TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    OutOfRangeError,
    compose,
)
from jaxmeta.learn.ridge._leave_out import PathOfBlock, path_of_block, same_sizes
from jaxmeta.learn.ridge._penalties import is_positive, penalties
from jaxmeta.learn.ridge._systems import System, systems
from jaxmeta.learn.ridge.model import Ridge, check_solved, weights_map
from jaxmeta.operations._arguments import check_choice, check_number, names_to_reduce


class RidgePath(eqx.Module):
    r"""Models for several penalties, with what they predict for rows left out.

    `RidgePath.fit` makes one.

    Arguments:
        alphas: the penalties, of shape (penalties,).
        models: the model for each of them.
        leave_one_out: what is left of the targets that were left out: the weighted mean
            of the squared residuals. Keys and properties are those of the targets,
            samples ``alpha`` count the penalties.
        generalised: the same by generalised cross validation.

    Example:
        >>> from jaxmeta.core import Labels
        >>> rng = np.random.default_rng(0)
        >>> s, n, e = Labels.range("s", 20), Labels.range("n", 15), Labels.range("e", 1)
        >>> x, noise = rng.normal(size=(20, 15)), rng.normal(size=(20, 1))
        >>> X = TensorMap(Labels.single(), [TensorBlock(x, s, [], n)])
        >>> values = x.sum(axis=1, keepdims=True) + noise
        >>> y = TensorMap(Labels.single(), [TensorBlock(values, s, [], e)])
        >>> path = RidgePath.fit(X, y, alphas=[1e-6, 1.0, 1e6])
        >>> path.leave_one_out[0].values.ravel().argmin()
        Array(1, dtype=int64)
        >>> model = path.best()
    """

    alphas: Any
    models: tuple[Ridge, ...]
    leave_one_out: TensorMap
    generalised: TensorMap

    @classmethod
    def fit(
        cls,
        X: TensorMap,
        y: TensorMap,
        alphas: Sequence[float],
        *,
        penalty: TensorMap | None = None,
        sample_weight: Any = None,
        sizes: Any = None,
        leave_out: str | Sequence[str] | None = None,
    ) -> RidgePath:
        r"""The models for all penalties, from one singular value decomposition a block.

        Leaving out: all rows of one sample of the values, its components and all rows of
        its gradients, leave together. What the model fitted to the rest makes of them is
        exact, without any fit: :math:`(1 - H_{GG})^{-1} r_G` with the residuals
        :math:`r` of the whole fit and the matrix :math:`H` that takes targets to
        predictions. The mean is weighted as the fit is.

        Generalised cross validation (Golub, Heath and Wahba, Technometrics 21, 215,
        1979): :math:`\langle s r^2 \rangle / (1 - \mathrm{tr} H / n)^2`, over the
        :math:`n` rows with weights :math:`s` that are not zero.

        Arguments:
            X: features with static samples.
            y: targets, as for `Ridge.fit`.
            alphas: penalties, all larger than zero.
            penalty: multiplies each of them, a positive number for each property: a map
                as for the `alpha` of `Ridge.fit`.
            sample_weight: as for `Ridge.fit`.
            sizes: as for `Ridge.fit`.
            leave_out: names of dimensions of the samples; samples that are alike in
                these leave together. For instance ``"system"`` where samples are atoms.
                By default each sample leaves by itself.

        Raises:
            InvalidError: for penalties that are not larger than zero, or none, and for
                no name in `leave_out`.
            MissingError: for names in `leave_out` that samples do not have.
            DynamicSamplesError: for dynamic samples.

        All other errors are those of `Ridge.fit`.
        """
        where = "RidgePath.fit"
        _check_static(where, y)
        numbers = _checked_alphas(where, alphas)
        found = systems(where, X, y, sample_weight, sizes)
        diagonals = penalties(where, 1.0 if penalty is None else penalty, X)
        paths = []
        for (key, _), system, diagonal in zip(X.items(), found, diagonals, strict=True):
            _check_penalty(where, system.name, diagonal)
            groups = _groups(where, y.block(key).samples, leave_out)
            paths.append(_path(where, system, diagonal, numbers, groups))
        return cls._of(X, y, numbers, paths)

    @classmethod
    def _of(
        cls, X: TensorMap, y: TensorMap, alphas: np.ndarray, paths: Sequence[PathOfBlock]
    ) -> RidgePath:
        models = [
            Ridge(weights_map(X, y, [path.weights[i] for path in paths]))
            for i in range(len(alphas))
        ]
        samples = Labels.range("alpha", len(alphas))
        tables = []
        for arrays in ([p.leave_one_out for p in paths], [p.generalised for p in paths]):
            blocks = [
                TensorBlock(array, samples, [], y.block(key).properties)
                for key, array in zip(X.keys, arrays, strict=True)
            ]
            tables.append(TensorMap(X.keys, blocks))
        dtype = np.float64 if X.dtype is None else X.dtype
        return cls(jnp.asarray(alphas.astype(dtype)), tuple(models), *tables)

    def best(self, by: str = "leave_one_out") -> Ridge:
        """The model with the smallest error, chosen for each block by itself.

        Arguments:
            by: ``"leave_one_out"`` or ``"generalised"``; summed over properties.

        Raises:
            InvalidError: for another word.
            InvalidTypeError: inside transformed functions, where nothing can be chosen.
        """
        chosen = self.best_alphas(by)
        blocks = [
            self.models[position].weights[index]
            for index, (position, _) in enumerate(chosen)
        ]
        return Ridge(TensorMap(self.leave_one_out.keys, blocks))

    def best_alphas(self, by: str = "leave_one_out") -> list[tuple[int, float]]:
        """For each block the position and the value of the best penalty.

        Arguments and errors are those of `best`.
        """
        check_choice("RidgePath.best", "by", by, ("leave_one_out", "generalised"))
        table = self.leave_one_out if by == "leave_one_out" else self.generalised
        if any(isinstance(leaf, Tracer) for leaf in table._leaves):
            raise InvalidTypeError(
                compose(
                    "RidgePath.best: the errors are traced by JAX, which can not choose.",
                    remedy="call it outside of transformed functions.",
                )
            )
        found = [int(np.asarray(block.values).sum(axis=1).argmin()) for block in table]
        return [(position, float(self.alphas[position])) for position in found]

    def model(self, position: int) -> Ridge:
        """The model for the penalty at one position.

        Raises:
            OutOfRangeError: for a position that is not there.
            InvalidTypeError: for what is no integer.
        """
        whole = isinstance(position, int | np.integer) and not isinstance(position, bool)
        if not whole:
            raise InvalidTypeError(
                compose(
                    "RidgePath.model: a position is an integer.",
                    f"found {position!r:.100}",
                )
            )
        if not -len(self.models) <= position < len(self.models):
            raise OutOfRangeError(
                compose(
                    f"RidgePath.model: there is no penalty {position}.",
                    f"there are {len(self.models)}",
                )
            )
        return self.models[position]


def _path(
    where: str, system: System, diagonal: Any, alphas: np.ndarray, groups: np.ndarray
) -> PathOfBlock:
    of_rows = groups[system.owners]
    dtype = system.left.dtype
    path = path_of_block(*system[1:4], diagonal, alphas.astype(dtype), same_sizes(of_rows))
    check_solved(where, system.name, path.weights, "features or targets are not finite.")
    return path


def _groups(where: str, samples: Labels | DynamicLabels, names: Any) -> np.ndarray:
    """The number of the group of each sample."""
    assert isinstance(samples, Labels)
    if names is None:
        return np.arange(len(samples))
    found = names_to_reduce(where, "samples", names, samples.names)
    if not found:
        raise InvalidError(
            compose(
                f"{where}: leave_out= names no dimension, all samples would leave at once.",
                remedy="name one at least, or leave it out.",
            )
        )
    columns = np.stack([samples.column(name) for name in found], axis=1)
    return np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1)


def _check_static(where: str, y: Any) -> None:
    blocks = y if isinstance(y, TensorMap) else ()
    if any(isinstance(block.samples, DynamicLabels) for block in blocks):
        raise DynamicSamplesError(
            compose(
                f"{where}: the samples are dynamic, what leaves together is not known.",
                remedy="unpad() both maps first.",
            )
        )


def _checked_alphas(where: str, alphas: Any) -> np.ndarray:
    given = check_list(where, "penalties alphas= must be a list of numbers", alphas)
    numbers = np.array([check_number(where, "each of alphas=", each) for each in given])
    if not numbers.size or (numbers == 0).any():
        raise InvalidError(
            compose(
                f"{where}: penalties must be larger than zero, one at least.",
                f"found {given}",
            )
        )
    return numbers


def _check_penalty(where: str, name: str, diagonal: Any) -> None:
    if not is_positive(diagonal):
        raise InvalidError(compose(f"{where}: penalty= is zero somewhere in {name}."))
