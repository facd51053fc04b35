"""grad and value_and_grad: derivatives of a number by the arrays in trees of anything."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


def grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    r"""The gradient of a function, by the floating point arrays in its arguments.

    Value: a function of the same arguments, which gives :math:`\partial f / \partial x`
    for every array :math:`x` of floating point numbers in the chosen arguments, in trees
    of their structure: the gradient of a map is a map. All other leaves (labels of dynamic
    samples, integers, functions and numbers in modules) are constants, and None in the
    gradient, as `equinox.apply_updates` and optax take it. An argument that is itself a
    Python float counts as an array.

    Gradients: explicit gradients in a map are arrays like its values, and are
    differentiated by like these. The result can be differentiated again.

    Arguments:
        function: gives one number (with `has_aux`, a pair of a number and anything).
        argnums: which positional arguments to differentiate by; for several, the result
            is a tuple.
        has_aux: give ``(gradient, aux)``.
        holomorphic: the function is a holomorphic one of complex arrays.

    Raises:
        InvalidTypeError: for what is no function, positions that are no integers, complex
            arrays (real ones where it is holomorphic), and a function that gives no number.
        InvalidError: for an argument that is not there, or has nothing to differentiate by.
        PrecisionError: for arrays of 64 bits while JAX runs without x64.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock, TensorMap
        >>> block = TensorBlock(
        ...     jnp.array([[3.0]]), Labels.range("s", 1), [], Labels.range("n", 1)
        ... )
        >>> tensor = TensorMap(Labels.single(), [block])
        >>> grad(lambda t: jnp.sum(t[0].values ** 2))(tensor)[0].values.tolist()
        [[6.0]]
        >>> grad(lambda tree: jnp.sum(tree["x"] ** tree["n"]))({"x": jnp.ones(2), "n": 3})
        {'n': None, 'x': Array([3., 3.], dtype=float64)}
    """
    asked = _asked("grad", function, argnums, has_aux, holomorphic)

    def gradient(*arguments: Any, **keywords: Any) -> Any:
        value, found = asked.value_and_gradient(arguments, keywords)
        return (found, value[1]) if has_aux else found

    return functools.update_wrapper(gradient, function, updated=())


def value_and_grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The value of a function, and its gradient as `grad` gives it.

    Value: a function of the same arguments, which gives the pair ``(value, gradient)``;
    with `has_aux` it is ``((value, aux), gradient)``. Gradients: as for `grad`.

    Arguments:
        function: gives one number (with `has_aux`, a pair of a number and anything).
        argnums: which positional arguments to differentiate by.
        has_aux: whether the function gives more than the number.
        holomorphic: the function is a holomorphic one of complex arrays.

    Raises:
        InvalidTypeError: as for `grad`.
        InvalidError: as for `grad`.
        PrecisionError: as for `grad`.

    Example:
        >>> import jax.numpy as jnp
        >>> value, slope = value_and_grad(lambda x, n: x**n)(jnp.array(3.0), 2)
        >>> float(value), float(slope)
        (9.0, 6.0)
    """
    asked = _asked("value_and_grad", function, argnums, has_aux, holomorphic)

    def value_and_gradient(*arguments: Any, **keywords: Any) -> Any:
        return asked.value_and_gradient(arguments, keywords)

    return functools.update_wrapper(value_and_gradient, function, updated=())


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What is to be differentiated, and by which arguments."""

    where: str
    function: Callable[..., Any]
    argnums: int | tuple[int, ...]
    has_aux: bool
    holomorphic: bool

    def value_and_gradient(self, arguments: Any, keywords: Any) -> tuple[Any, Any]:
        several = (self.argnums,) if isinstance(self.argnums, int) else self.argnums
        numbers = [_number_of(self.where, n, len(arguments)) for n in several]
        moving, fixed = {}, list(arguments)
        for number in numbers:
            name = _name_of(self.function, number)
            parts = _parted(self.where, name, arguments[number], self.holomorphic)
            moving[number], fixed[number] = parts
        value, found = self._differentiated(moving, fixed, keywords)
        gradients = tuple(found[number] for number in numbers)
        return value, gradients[0] if isinstance(self.argnums, int) else gradients

    def _differentiated(self, moving: Any, fixed: Any, keywords: Any) -> tuple[Any, Any]:
        constants: list[Any] = []

        def of(moving: dict[int, Any]) -> tuple[Any, Any]:
            filled = list(fixed)
            for number, part in moving.items():
                filled[number] = eqx.combine(part, fixed[number])
            value, aux = self._number(self.function(*filled, **keywords))
            # JAX lets only arrays through; what else there is goes around it.
            arrays, others = eqx.partition(aux, eqx.is_array)
            constants[:] = [others]
            return value, arrays

        together = jax.value_and_grad(of, has_aux=True, holomorphic=self.holomorphic)
        (value, arrays), found = together(moving)
        if self.has_aux:
            return (value, eqx.combine(arrays, constants[0])), found
        return value, found

    def _number(self, given: Any) -> tuple[Any, Any]:
        """What the function gave, as the number to differentiate and all the rest."""
        if not self.has_aux:
            return _checked_number(self.where, given, self.holomorphic), None
        if not isinstance(given, tuple) or len(given) != 2:
            raise InvalidTypeError(
                compose(
                    f"{self.where}: with has_aux=True the function must give a pair.",
                    f"it gives {type(given).__name__}",
                    remedy="give (number, anything), or leave out has_aux.",
                )
            )
        return _checked_number(self.where, given[0], self.holomorphic), given[1]


def _asked(
    where: str, function: Any, argnums: Any, has_aux: bool, holomorphic: bool
) -> _Asked:
    if not callable(function):
        raise InvalidTypeError(
            compose(
                f"{where}: the first argument must be a function.",
                f"found {type(function).__name__}",
            )
        )
    check_bool(where, "has_aux", has_aux)
    check_bool(where, "holomorphic", holomorphic)
    return _Asked(where, function, _positions(where, argnums), has_aux, holomorphic)


def _positions(where: str, argnums: Any) -> int | tuple[int, ...]:
    several = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)
    for number in several:
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise InvalidTypeError(
                compose(
                    f"{where}: argnums must be an integer, or a tuple of them.",
                    f"found {argnums!r:.100}",
                )
            )
    if not several:
        raise InvalidError(compose(f"{where}: argnums chooses no argument."))
    numbers = tuple(int(number) for number in several)
    return numbers if isinstance(argnums, Sequence) else numbers[0]


def _parted(where: str, name: str, argument: Any, holomorphic: bool) -> tuple[Any, Any]:
    """The arrays of an argument that are differentiated by, and all the rest."""
    if isinstance(argument, float | complex):
        argument = jnp.asarray(argument)
    moving, fixed = eqx.partition(argument, _is_inexact)
    leaves = jax.tree_util.tree_leaves_with_path(moving)
    if not leaves:
        raise InvalidError(
            compose(
                f"{where}: {name} has nothing to differentiate by.",
                f"there is no array of floating point numbers in it: {_summary(argument)}",
                remedy="choose another argument by argnums=, or convert on purpose.",
            )
        )
    for path, leaf in leaves:
        check_dtype(leaf.dtype, f"{where}: {name}", "convert on purpose with .astype(...).")
        if jnp.issubdtype(leaf.dtype, np.complexfloating) != holomorphic:
            _refuse_kind(where, f"{name}{jax.tree_util.keystr(path)}", leaf, holomorphic)
    return moving, fixed


def _is_inexact(leaf: Any) -> bool:
    array = isinstance(leaf, jax.Array | np.ndarray | np.generic)
    return array and jnp.issubdtype(leaf.dtype, np.inexact)


def _summary(argument: Any) -> str:
    kinds = [str(getattr(x, "dtype", type(x).__name__)) for x in jax.tree.leaves(argument)]
    return ", ".join(dict.fromkeys(kinds)) or "it has no leaves"


def _refuse_kind(where: str, name: str, leaf: Any, holomorphic: bool) -> None:
    remedy = "holomorphic=True is for holomorphic functions of complex arrays alone; "
    remedy += "derivatives by real and imaginary part come from two real arrays."
    kind = "a complex array" if holomorphic else "an array of real numbers"
    raise InvalidTypeError(
        compose(f"{where}: {name} must be {kind}.", f"it has {leaf.dtype}", remedy=remedy)
    )


def _checked_number(where: str, value: Any, holomorphic: bool) -> Any:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if isinstance(value, float):
        return jnp.asarray(value)
    kind = np.complexfloating if holomorphic else np.floating
    if dtype is None or shape != () or not jnp.issubdtype(dtype, kind):
        found = type(value).__name__ if shape is None else f"{dtype} of shape {shape}"
        wanted = "complex" if holomorphic else "real, floating point"
        raise InvalidTypeError(
            compose(
                f"{where}: the function must give one {wanted} number.",
                f"it gives {found}",
                remedy="sum or average to one number; explicit gradients of maps come from "
                "jaxmeta.autodiff.with_gradients.",
            )
        )
    return value


def _number_of(where: str, number: int, count: int) -> int:
    if not -count <= number < count:
        raise InvalidError(
            compose(
                f"{where}: there is no positional argument {number}.",
                f"the function was called with {count} of them",
                remedy="arguments to differentiate by can not be keywords.",
            )
        )
    return number % count


def _name_of(function: Any, number: int) -> str:
    """An argument as messages name it: by its position, and its name if it has one."""
    try:
        names = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        names = []
    positional = [
        p.name for p in names if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    named = f" ({positional[number]})" if number < len(positional) else ""
    return f"argument {number}{named}"
