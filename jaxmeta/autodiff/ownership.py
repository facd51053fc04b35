"""assert_owners: whether rows of parameters feed their owners and nothing else."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jax.core import Tracer

from jaxmeta.autodiff._owners import Place, owner_of
from jaxmeta.autodiff.blocks import arrays_of, with_gradients
from jaxmeta.autodiff.parameters import Parameter
from jaxmeta.core import DynamicLabels, Labels
from jaxmeta.errors import FailedCheckError, InvalidTypeError, compose


WHERE = "assert_owners"


def assert_owners(
    function: Callable[..., Any],
    parameters: Mapping[str, Parameter],
    *more: Any,
    chunk: int | None = None,
    has_aux: bool = False,
    atol: float = 0.0,
) -> None:
    """Check that each row of the parameters feeds its owner and no other sample.

    That is what makes the gradients of `with_gradients` exact. The check compares with the
    whole Jacobian, at these numbers, outside of traced functions: it is for tests, with
    few samples and numbers at which no derivative happens to be zero.

    Values: none. Gradients: every derivative of a sample by a row that it does not own must
    be zero; padding rows, and rows whose owner is `jaxmeta.PADDING`, own nothing.

    Arguments:
        function: as for `with_gradients`, and so are `more`, `chunk` and `has_aux`.
        parameters: those without an owner are not checked.
        atol: how large a derivative counts as zero.

    Raises:
        FailedCheckError: (an AssertionError) with the first row and sample that are wrong.
        InvalidTypeError: inside a traced function, and for an `atol` that is no number.
        InvalidError: as for `with_gradients`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import TensorBlock, TensorMap
        >>> def shifted(x):  # each row feeds the sample before it too
        ...     n, samples = Labels.range("n", 1), Labels.range("s", 2)
        ...     values = (x + jnp.roll(x, 1))[:, None]
        ...     return TensorMap(Labels.single(), [TensorBlock(values, samples, [], n)])
        >>> assert_owners(shifted, {"x": Parameter(jnp.ones(2), owner=[0, 1])})
        Traceback (most recent call last):
        jaxmeta.errors.FailedCheckError: assert_owners: a row feeds a sample that is not ...
          parameter 'x', block (_=0): row 1 feeds sample 0 and has owner 1
          the largest derivative is 1.0
          without an owner, gradients have a row for each pair.
    """
    arrays_of(parameters)  # which refuses what are no parameters
    _check_tolerance(atol)
    owned = {name: each for name, each in parameters.items() if each.owner is not None}
    _refuse_traced(owned)
    dense = {name: _dense(each) for name, each in owned.items()}
    options: dict[str, Any] = {"chunk": chunk, "has_aux": has_aux}
    found = with_gradients(function, {**parameters, **dense}, *more, **options)
    tensor = found[0] if has_aux else found
    for number, (key, block) in enumerate(tensor.items()):
        for name, each in owned.items():
            place = Place(name, each, number, len(tensor), key.print(), block)
            _check(place, block.gradient(name).values, atol)


def _dense(parameter: Parameter) -> Parameter:
    """The same parameter as one whose rows may feed every sample, padding too."""
    rows = Labels.range("row", parameter.values.shape[0])
    return dataclasses.replace(parameter, samples=rows, owner=None)


def _check_tolerance(atol: Any) -> None:
    number = isinstance(atol, int | float | np.integer | np.floating)
    if isinstance(atol, bool) or not number or not atol >= 0:
        raise InvalidTypeError(
            compose(
                f"{WHERE}: atol must be a number that is not negative.",
                f"found {atol!r:.100}",
            )
        )


def _refuse_traced(parameters: Mapping[str, Parameter]) -> None:
    for name, each in parameters.items():
        _refuse_tracers(f"the parameter {name!r} is", each.values, each.owner)


def _refuse_tracers(what: str, *arrays: Any) -> None:
    if any(isinstance(array, Tracer) for array in arrays):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: it is for outside of traced functions.",
                f"{what} traced by JAX",
            )
        )


def _check(place: Place, derivatives: Any, atol: float) -> None:
    samples, rows = place.block.shape[0], place.parameter.values.shape[0]
    owned, labels = owner_of(place), place.parameter.samples
    used = labels.mask if isinstance(labels, DynamicLabels) else True
    _refuse_tracers(f"the derivatives by {place.name!r} are", derivatives)
    _refuse_tracers(f"the owners of {place.name!r} are", owned, used)
    gradient = np.asarray(derivatives)
    owner = np.where(np.asarray(used), np.asarray(owned).astype(np.int64), -1)
    pairs = np.abs(gradient).reshape(samples, rows, math.prod(gradient.shape[1:]))
    sizes = pairs.max(axis=2, initial=0.0)
    sizes[owner[None, :] == np.arange(samples)[:, None]] = 0.0
    wrong = np.argwhere(~(sizes <= atol))
    if len(wrong):
        sample, row = wrong[0].tolist()
        raise FailedCheckError(
            compose(
                f"{WHERE}: a row feeds a sample that is not its owner.",
                f"{place}: row {row} feeds sample {sample} and has owner {owner[row]}",
                f"the largest derivative is {sizes[sample, row]}",
                remedy="without an owner, gradients have a row for each pair.",
            )
        )
