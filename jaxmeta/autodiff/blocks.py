"""with_gradients: the map that a function gives, with explicit gradient blocks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxmeta.autodiff._first import Asked, Mode, Rest, first_order
from jaxmeta.autodiff._owners import WHERE
from jaxmeta.autodiff._passes import Arrays
from jaxmeta.autodiff._second import Pair, Second, nested_block, second_order
from jaxmeta.autodiff.parameters import Parameter
from jaxmeta.core import TensorBlock, TensorMap
from jaxmeta.core.labels._arguments import check_bool
from jaxmeta.core.labels._names import gradient_name
from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, choices, compose


def with_gradients(
    function: Callable[..., Any],
    parameters: Mapping[str, Parameter],
    *more: Any,
    mode: Mode = "auto",
    chunk: int | None = None,
    second: Sequence[str] = (),
    has_aux: bool = False,
) -> Any:
    r"""The map that a function gives, with its derivatives as explicit gradient blocks.

    Values: those of ``function(*more, **arrays)``, called once, with the array of each
    parameter by its name.

    Gradients: one block for each parameter :math:`x`, of shape ``(gradient samples,
    *components of the parameter, *components, properties)``, with samples ``(sample,
    *names of the parameter's samples)``.

    - With an owner there is one row for each row of the parameter, and it belongs to the
      sample that owns it. These derivatives are exact if, and only if, each row feeds its
      owner and no other sample: nothing checks that here, `assert_owners` does. A block
      with one component and property takes one pass backwards, at the cost of
      `jax.value_and_grad`; others take one pass for each of these, or fewer forwards.
    - Without an owner there is one row for each pair of a sample and a row of the
      parameter, exact whatever feeds what.

    Gradients of gradients: ``second=["x/y"]`` gives that by `x` a gradient by `y`, with a
    row for each pair of a row of the first and a row of `y` that feeds the same sample.
    Components of `y` whose names are taken get a number: ``xyz`` twice is ``xyz_1, xyz``.

    Samples that are dynamic, of the values or of a parameter, and owners that are traced
    make dynamic gradient samples: one row for each row (or pair), where rows that are
    padding on either side, or whose owner is no sample, are padding, and zero.

    Everything is one linearisation of the function, and can be compiled, mapped and
    differentiated again, by what the parameters are made of and by what `more` holds.

    Arguments:
        function: gives a `TensorMap` of floating point values without explicit gradients,
            of any samples; with `has_aux` a pair of such a map and anything.
        parameters: by name, as the function takes them and the gradients are called.
        more: positional arguments that come first, as a model.
        mode: ``"reverse"`` pulls entries of the values back, ``"forward"`` pushes rows of
            the parameters forwards, of different samples at once, which needs owners that
            are static; ``"auto"`` takes what is less, and is ``"reverse"`` where each
            sample has one number and each row an owner, and for functions with
            derivatives by `jax.custom_vjp`, which go backwards only.
        chunk: how many entries or rows go through at once, to bound memory; all of them
            for None.
        second: gradients of gradients; samples and owners must be static.
        has_aux: give ``(tensor, aux)``.

    Raises:
        InvalidTypeError: for what is no function, `Parameter` or `TensorMap`, a function
            that can not be called so, and for values of another dtype than a parameter.
        InvalidError: for owners that do not fit, rows that no label tells apart, values
            with gradients, names of components that stand twice, and other bad choices.
        MissingError: for a name in `second` that is no parameter.
        DynamicSamplesError: where static owners or samples are needed.
        PrecisionError: for parameters of 64 bits while JAX runs without x64.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmeta import Labels, TensorBlock, TensorMap
        >>> def energies(positions):  # of two systems: half the squared distances from 0
        ...     each = jnp.sum(positions**2, axis=1) / 2
        ...     values = jnp.stack([each[0] + each[1], each[2]])[:, None]
        ...     systems, energy = Labels.range("system", 2), Labels.range("energy", 1)
        ...     return TensorMap(
        ...         Labels.single(), [TensorBlock(values, systems, [], energy)]
        ...     )
        >>> atoms = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> positions = jnp.arange(9.0).reshape(3, 3)
        >>> xyz = Labels.range("xyz", 3)
        >>> tensor = with_gradients(
        ...     energies, {"positions": Parameter(positions, atoms, [xyz], owner="system")}
        ... )
        >>> gradient = tensor[0].gradient("positions")
        >>> gradient.samples.names, gradient.values[2].ravel().tolist()
        (['sample', 'system', 'atom'], [6.0, 7.0, 8.0])
    """
    check_bool(WHERE, "has_aux", has_aux)
    _check_choices(mode, chunk)
    at = arrays_of(parameters)
    pairs = _pairs(second, parameters)
    _check_call(function, more, parameters)

    def call(arrays: Arrays) -> tuple[TensorMap, Any]:
        given = function(*more, **arrays)
        return _checked_result(given, has_aux, at)

    asked = Asked(call, dict(parameters), mode, chunk)
    if pairs:
        found, rest, nested = second_order(asked, at, pairs)
    else:
        found, rest = first_order(asked, at)
        nested = [{} for _ in rest.rows]
    blocks = [
        _block(rest, parameters, number, *arrays)
        for number, arrays in enumerate(zip(*found, nested, strict=True))
    ]
    tensor = TensorMap(rest.tensor.keys, blocks, rest.tensor.info())
    return (tensor, rest.aux) if has_aux else tensor


def _block(
    rest: Rest,
    parameters: Mapping[str, Parameter],
    number: int,
    values: Any,
    arrays: Mapping[str, Any],
    nested: Mapping[Pair, Second],
) -> TensorBlock:
    """One block of the result, with its gradients and theirs."""
    block = rest.tensor[number]
    gradients = {}
    for name, array in arrays.items():
        _check_names(name, parameters[name], block)
        components = [*parameters[name].components, *block.components]
        inner = {
            y: nested_block(each, parameters[y].components, components, block.properties)
            for (x, y), each in nested.items()
            if x == name
        }
        samples = rest.rows[number][name].samples
        gradients[name] = TensorBlock(array, samples, components, block.properties, inner)
    return TensorBlock(values, block.samples, block.components, block.properties, gradients)


def _check_names(name: str, parameter: Parameter, block: TensorBlock) -> None:
    """Refuse components that the values have too: an axis needs a name of its own."""
    own = [labels.names[0] for labels in parameter.components]
    above = [labels.names[0] for labels in block.components]
    if set(own) & set(above):
        raise InvalidError(
            compose(
                f"{WHERE}: parameter {name!r} and the values have a component of one name.",
                f"the parameter has {own}, the values have {above}",
                remedy="give the components of the parameter other names.",
            )
        )


# What is given --------------------------------------------------------------------------


def _check_choices(mode: Any, chunk: Any) -> None:
    if mode not in ("auto", "forward", "reverse"):
        raise InvalidError(
            compose(
                f"{WHERE}: there is no mode {mode!r:.100}.",
                choices(mode, ("auto", "forward", "reverse")),
            )
        )
    whole = isinstance(chunk, int | np.integer) and not isinstance(chunk, bool)
    if chunk is not None and not (whole and chunk > 0):
        raise InvalidError(
            compose(
                f"{WHERE}: chunk must be a positive integer, or None.",
                f"found {chunk!r:.100}",
            )
        )


def arrays_of(parameters: Any) -> dict[str, Any]:
    """The arrays of all parameters, by name."""
    if not isinstance(parameters, Mapping) or not parameters:
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the parameters must be a dictionary, with one or more.",
                f"found {parameters!r:.100}",
                remedy='give {"positions": Parameter(...)}.',
            )
        )
    found = {}
    for name, parameter in parameters.items():
        gradient_name(name, WHERE)
        if not isinstance(parameter, Parameter):
            raise InvalidTypeError(
                compose(
                    f"{WHERE}: {name!r} must be a Parameter.",
                    f"found {type(parameter).__name__}",
                    remedy="wrap the array: Parameter(array, samples, components, owner).",
                )
            )
        check_dtype(parameter.values.dtype, f"{WHERE}: parameter {name!r}")
        found[name] = jnp.asarray(parameter.values)
    return found


def _pairs(second: Any, parameters: Mapping[str, Parameter]) -> list[Pair]:
    """The gradients of gradients that are asked for."""
    if isinstance(second, str) or not isinstance(second, Sequence):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: second must be a list of pairs of names.",
                f"found {second!r:.100}",
                remedy='give ["positions/strain"] for the gradient by strain of that by '
                "positions.",
            )
        )
    return list(dict.fromkeys(_pair(path, parameters) for path in second))


def _pair(path: Any, parameters: Mapping[str, Parameter]) -> Pair:
    names = path.split("/") if isinstance(path, str) else []
    if len(names) != 2:
        raise InvalidError(
            compose(
                f"{WHERE}: second takes pairs of names with a slash between them.",
                f"found {path!r:.100}",
                remedy="derivatives of higher order are those of JAX.",
            )
        )
    for name in names:
        if name not in parameters:
            raise MissingError(
                compose(
                    f"{WHERE}: {path!r} names no parameter {name!r}.",
                    choices(name, parameters),
                )
            )
    return names[0], names[1]


def _check_call(
    function: Any, more: Sequence[Any], parameters: Mapping[str, Parameter]
) -> None:
    """Refuse a function that does not take the parameters by their names."""
    if not callable(function):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the first argument must be a function.",
                f"found {type(function).__name__}",
            )
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # not every function tells
    try:
        signature.bind(*more, **parameters)
    except TypeError as error:
        names = ", ".join(f"{name}=..." for name in parameters)
        before = f"{len(more)} positional arguments and " if more else ""
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the function can not be called with these parameters.",
                f"it is called with {before}{names}: {error}",
                f"it takes {signature}",
                remedy="it takes each parameter by its name, and more arguments first.",
            )
        ) from error


# What the function gives ----------------------------------------------------------------


def _checked_result(given: Any, has_aux: bool, at: Arrays) -> tuple[TensorMap, Any]:
    wanted = "a pair of a TensorMap and anything" if has_aux else "a TensorMap"
    pair = isinstance(given, tuple) and len(given) == 2
    tensor, aux = given if has_aux and pair else (given, None)
    if (has_aux and not pair) or not isinstance(tensor, TensorMap):
        raise InvalidTypeError(
            compose(
                f"{WHERE}: the function must give {wanted}.",
                f"it gives {_kind(given)}",
                remedy="has_aux says whether it gives more than the map.",
            )
        )
    for key, block in tensor.items():
        _check_block(key.print(), block, at)
    return tensor, aux


def _kind(given: Any) -> str:
    if isinstance(given, tuple):
        return f"a tuple of {', '.join(type(each).__name__ for each in given)}"
    return type(given).__name__


def _check_block(key: str, block: TensorBlock, at: Arrays) -> None:
    if block.gradients_list():
        raise InvalidError(
            compose(
                f"{WHERE}: the function gives explicit gradients of its own.",
                f"block {key} has {block.gradients_list()}",
                remedy="remove_gradients(...) in it; gradients of gradients come from "
                "second=.",
            )
        )
    for name, array in at.items():
        if block.dtype != array.dtype:
            raise InvalidTypeError(
                compose(
                    f"{WHERE}: values and parameters must have one dtype.",
                    f"block {key} has {block.dtype}, parameter {name!r} has {array.dtype}",
                    remedy="convert one of them on purpose, with .astype(...).",
                )
            )
