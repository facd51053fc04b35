"""The subscripts of einsum: the axes of each operand and of the result, by label names.

subscripts = operand {"," operand} "->" result
operand, result = axis axis {axis}
axis = name | "(" name {name} ")"
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn, TypeAlias

from jaxmeta.errors import InvalidError, InvalidTypeError, choices, compose


# The names of the dimensions of its labels.
Axis: TypeAlias = tuple[str, ...]

_TOKEN = re.compile(r"[()]|[^()\s]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# An axis of the result that no operand has: one entry, as `Labels.single()` has it.
SINGLE: Axis = ("_",)
_FORM = 'write for instance "(system atom) m n, k n -> (system atom) m k".'


@dataclasses.dataclass(frozen=True)
class Subscripts:
    """The axes of each operand and of the result, and the text that said so."""

    text: str
    operands: tuple[tuple[Axis, ...], ...]
    result: tuple[Axis, ...]


def parse(text: object) -> Subscripts:
    """The meaning of a text, or an error that tells what is wrong with it."""
    if not isinstance(text, str):
        raise InvalidTypeError(
            compose(
                "einsum: the subscripts must be a string.",
                f"found {type(text).__name__}",
                remedy=f"{_FORM} The maps follow, one for each operand.",
            )
        )
    return _parsed(text)


@functools.lru_cache
def _parsed(text: str) -> Subscripts:
    left, *right = text.split("->")
    if len(right) != 1:
        _refuse(text, f'there must be one "->", found {len(right)}')
    operands = tuple(
        tuple(_axes(text, part, f"operand {number}"))
        for number, part in enumerate(left.split(","), start=1)
    )
    found = Subscripts(text, operands, tuple(_axes(text, right[0], "the result")))
    for number, axes in enumerate(operands, start=1):
        _check_axes(text, f"operand {number}", axes)
    _check_result(found)
    return found


def spelled(axis: Axis) -> str:
    """An axis as subscripts have it.

    >>> spelled(("system", "atom")), spelled(("n",))
    ('(system atom)', 'n')
    """
    return axis[0] if len(axis) == 1 else f"({' '.join(axis)})"


def all_spelled(axes: Sequence[Axis]) -> str:
    """Several axes as subscripts have them."""
    return " ".join(map(spelled, axes))


def _axes(text: str, part: str, where: str) -> Iterator[Axis]:
    opened: list[str] | None = None
    for token in _TOKEN.findall(part):
        if token == "(" and opened is None:
            opened = []
        elif token == ")" and opened:
            yield tuple(opened)
            opened = None
        elif token == ")" and opened is not None:
            _refuse(text, f"{where} has parentheses without a name")
        elif token in "()":
            what = "inside another one" if token == "(" else "that was not opened"
            _refuse(text, f'{where} has a "{token}" {what}')
        elif _NAME.fullmatch(token) is None:
            _refuse(text, f"{where} has {token!r}, which is no name of a dimension")
        elif opened is not None:
            opened.append(token)
        else:
            yield (token,)
    if opened is not None:
        _refuse(text, f'{where} has a "(" that is not closed')


def _check_axes(text: str, where: str, axes: Sequence[Axis], again: bool = False) -> None:
    """`again` says that there may be several axes of one entry."""
    if len(axes) < 2:
        _refuse(
            text,
            f"{where} has {len(axes)} axes; a block has two or more: its samples, its "
            "components if any, its properties",
            'in the result, "_" is an axis of one entry' if where == "the result" else "",
        )
    for i, axis in enumerate(axes):
        if len(set(axis)) != len(axis):
            _refuse(text, f"{where} has an axis {spelled(axis)} with one name twice")
        if axis in axes[:i] and not (again and axis == SINGLE):
            _refuse(text, f"{where} has the axis {spelled(axis)} twice")


def _check_result(found: Subscripts) -> None:
    text, axes = found.text, found.result
    known = {axis for operand in found.operands for axis in operand}
    _check_axes(text, "the result", axes, again=SINGLE not in known)
    for axis in axes:
        if axis not in known and axis != SINGLE:
            _refuse(
                text,
                f"the result has the axis {spelled(axis)}, which no operand has",
                choices(spelled(axis), sorted(map(spelled, known))),
            )
    components = axes[1:-1]
    for axis in components:
        if len(axis) != 1 or components.count(axis) > 1:
            _refuse(
                text,
                f"the result has components {all_spelled(components)}",
                "each of them needs one name of its own; only the first axis (samples) and "
                "the last one (properties) can have several",
            )


def _refuse(text: str, *facts: str) -> NoReturn:
    raise InvalidError(compose(f"einsum: {text!r} can not be read.", *facts, remedy=_FORM))
