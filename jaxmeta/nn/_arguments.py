"""What the modules' constructors are given: one value for all keys, or one for each."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import Labels
from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.errors import InvalidError, InvalidTypeError, compose


T = TypeVar("T")

OutProperties: TypeAlias = Labels | Sequence[Labels] | None


def check_labels(name: str, argument: str, given: Any) -> Labels:
    """The argument, if it is Labels."""
    if not isinstance(given, Labels):
        raise InvalidTypeError(
            compose(f"{name}: {argument} must be Labels.", f"found {type(given).__name__}")
        )
    return given


def sizes(name: str, argument: str, given: Any, count: int) -> list[int]:
    """Numbers of features, one for each key."""
    return _one_each(name, argument, given, count, _size, "a whole number, 0 or more")


def switches(name: str, argument: str, given: Any, count: int) -> list[bool]:
    """Truth values, one for each key."""
    return _one_each(name, argument, given, count, _switch, "True or False")


def numbers(name: str, argument: str, given: Any, count: int) -> list[float]:
    """Numbers that are not negative, one for each key."""
    return _one_each(name, argument, given, count, _number, "a number, 0 or more")


def properties_of(name: str, given: Any, count: int) -> tuple[Labels, ...] | None:
    """Labels of the properties of the result, one for each key; None if not given."""
    if given is None:
        return None
    found = _one_each(name, "out_properties", given, count, _labels, "Labels")
    for labels in found[1:]:
        if labels.names != found[0].names:
            raise InvalidError(
                compose(
                    f"{name}: the out_properties must have the same names for all keys.",
                    f"found {found[0].names} and {labels.names}",
                )
            )
    return tuple(found)


def out_sizes(
    name: str, out_features: Any, out_properties: tuple[Labels, ...] | None, count: int
) -> list[int]:
    """Numbers of features of the result: as given, or as many as there are labels."""
    if out_features is None:
        if out_properties is None:
            raise InvalidError(
                compose(
                    f"{name}: how many properties the result has is not known.",
                    "out_features and out_properties are both None",
                    remedy="give one of them.",
                )
            )
        return [len(labels) for labels in out_properties]
    found = sizes(name, "out_features", out_features, count)
    labelled = [] if out_properties is None else [len(labels) for labels in out_properties]
    if labelled and labelled != found:
        raise InvalidError(
            compose(
                f"{name}: out_features and out_properties differ.",
                f"out_features are {found}, the out_properties have {labelled} entries",
                remedy="out_properties alone are enough.",
            )
        )
    return found


def invariant_positions(name: str, in_keys: Labels, given: Labels | None) -> list[int]:
    """Which keys are invariant, in the order in which lists have values for them."""
    wanted = Labels(["o3_lambda", "o3_sigma"], [[0, 1]]) if given is None else given
    check_labels(name, "invariant_keys", wanted)
    if not set(wanted.names) <= set(in_keys.names):
        raise InvalidError(
            compose(
                f"{name}: which keys are invariant can not be known.",
                f"in_keys have the names {in_keys.names}, invariant_keys {wanted.names}",
                remedy="invariant_keys=Labels(...) by names of in_keys says it.",
            )
        )
    return [int(i) for i in in_keys.select(wanted)]


def parameter_dtype(name: str, given: Any) -> Any:
    """The dtype of new parameters: that of JAX's floating point numbers by default."""
    if given is None:
        wide = jax.config.jax_enable_x64  # type: ignore[attr-defined]
        return np.dtype(np.float64 if wide else np.float32)
    try:
        dtype = np.dtype(given)
    except TypeError as error:
        raise InvalidTypeError(
            compose(f"{name}: dtype must be a dtype.", f"found {given!r}")
        ) from error
    if not jnp.issubdtype(dtype, jnp.floating):
        raise InvalidTypeError(
            compose(f"{name}: parameters are floating point numbers.", f"dtype is {dtype}")
        )
    check_dtype(dtype, name, "dtype=jnp.float32.")
    return dtype


def random_keys(name: str, key: Any, count: int) -> Any:
    """As many random keys as needed, from one."""
    try:
        return jax.random.split(key, max(count, 1))
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(
            compose(
                f"{name}: key must be one random key.",
                f"found {type(key).__name__}",
                remedy="jax.random.key(0) makes one.",
            )
        ) from error


def _one_each(
    name: str,
    argument: str,
    given: Any,
    count: int,
    convert: Callable[[Any], T | None],
    wanted: str,
) -> list[T]:
    single = convert(given)
    if single is not None:
        return [single] * count
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
        raise _wrong_type(name, argument, given, wanted)
    found = [converted for one in given if (converted := convert(one)) is not None]
    if len(found) < len(given):
        wrong = next(one for one in given if convert(one) is None)
        raise _wrong_type(name, argument, wrong, wanted)
    if len(found) != count:
        raise InvalidError(
            compose(
                f"{name}: a list of {argument} must have one entry for each key it is for.",
                f"there are {len(found)} entries and {count} keys",
            )
        )
    return found


def _wrong_type(name: str, argument: str, given: Any, wanted: str) -> InvalidTypeError:
    return InvalidTypeError(
        compose(
            f"{name}: {argument} must be {wanted}, or a list of these.",
            f"found {given!r}, a {type(given).__name__}",
        )
    )


def _size(given: Any) -> int | None:
    is_bool = isinstance(given, bool | np.bool_)
    is_whole = isinstance(given, int | np.integer) and not is_bool and given >= 0
    return operator.index(given) if is_whole else None


def _switch(given: Any) -> bool | None:
    return bool(given) if isinstance(given, bool | np.bool_) else None


def _number(given: Any) -> float | None:
    is_number = isinstance(given, int | float | np.integer | np.floating)
    if not is_number or isinstance(given, bool) or not 0 <= given < math.inf:
        return None
    return float(given)


def _labels(given: Any) -> Labels | None:
    return given if isinstance(given, Labels) else None
