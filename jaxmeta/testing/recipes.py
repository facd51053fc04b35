"""Tensors to check operations with: as different as labels allow, from a seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.core.layouts._precision import check_dtype
from jaxmeta.errors import InvalidError, InvalidTypeError, choices, compose
from jaxmeta.operations._arguments import check_map


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a random map looks like: `random_map` makes it.

    Samples and properties are unsorted, and their labels may be negative. Gradients have
    some of the rows that they could have, unsorted; their names decide their labels:
    ``positions`` has sample names ``system, atom`` and a component ``xyz``, ``strain`` has
    components ``xyz_1, xyz_2``, ``cell`` has ``abc, xyz``, all of two entries so that
    derivatives stay small; any other name is a single parameter. A gradient of a gradient
    has the same labels, so that the two together can be differentiated once more.

    Arguments:
        rows: the number of samples of each block.
        components: the size of each component axis.
        properties: the number of properties, of all blocks or of each; numbers beyond the
            last block are left out.
        gradients: names of gradients; ``"positions/strain"`` is the gradient by strain of
            the gradient by positions.
        density: of all gradient rows that could be there, the fraction that is.
        numbers: values are ``"nonzero"`` (between 0.5 and 2 in magnitude, so that
            divisions are harmless), ``"positive"`` (the same, for roots and logarithms)
            or ``"whole"`` (sums and differences of them are exact in every dtype).
        dtype: of all numbers.
        shared: ``"components"`` and ``"properties"`` are axes whose labels are those of
            the first block in all blocks.
        key_names, sample_names, property_names: names of dimensions.
        component_names: names of the component axes, ``component_0`` and so on by default.
        info: the info of the map, as pairs.
        seed: everything that is random follows from it.

    Raises:
        InvalidError: for sizes and a seed that are negative, another density, fewer
            numbers of properties than blocks, and a gradient of one that is not there.
        InvalidTypeError: for numbers of another kind, and sizes that are no tuple.

    Example:
        >>> recipe = Recipe(rows=(3, 0), gradients=("positions", "positions/strain"))
        >>> random_map(recipe)[0].gradient("positions").gradients_list()
        ['strain']
    """

    rows: tuple[int, ...] = (4, 5)
    components: tuple[int, ...] = ()
    properties: int | tuple[int, ...] = 2
    gradients: tuple[str, ...] = ("positions",)
    density: float = 0.5
    numbers: str = "nonzero"
    dtype: Any = "float64"
    shared: tuple[str, ...] = ()
    key_names: tuple[str, ...] = ("center", "neighbor", "sigma")
    sample_names: tuple[str, ...] = ("system", "atom")
    property_names: tuple[str, ...] = ("n", "l")
    component_names: tuple[str, ...] = ()
    info: tuple[tuple[str, str], ...] = (("unit", "eV"),)
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.gradients, str):
            _refuse("the gradients are a tuple of names", self.gradients)
        for name in self.gradients:
            above = name.rpartition("/")[0]
            if above and above not in self.gradients:
                _refuse(f"{name!r} is a gradient of {above!r}, which is not there", name)
        if isinstance(self.density, bool) or not isinstance(self.density, _REAL):
            _refuse_type("the density is a number", self.density)
        if not 0 <= self.density <= 1:
            _refuse("the density is between 0 and 1", self.density)
        self._check_sizes()
        _check_whole("the seed", self.seed)

    def _check_sizes(self) -> None:
        for what, sizes in (("rows", self.rows), ("components", self.components)):
            if isinstance(sizes, str) or not isinstance(sizes, Sequence):
                _refuse_type(f"the {what} are a tuple of sizes, as (4, 5)", sizes)
            for size in sizes:
                _check_whole(f"a size among the {what}", size)
        names = self.component_names
        if names and len(names) != len(self.components):
            one = f"one for each of {len(self.components)} components"
            _refuse(f"the names of components are none at all, or {one}", names)
        counts = self.properties
        if isinstance(counts, Sequence) and len(counts) < len(self.rows):
            one = f"one for each of {len(self.rows)} blocks"
            _refuse(f"the properties are one number for all blocks, or {one}", counts)
        for count in counts if isinstance(counts, Sequence) else [counts]:
            _check_whole("the number of properties", count)


_REAL = int | float | np.integer | np.floating


def _check_whole(what: str, number: object) -> None:
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        _refuse_type(f"{what} is a whole number", number)
    if number < 0:
        _refuse(f"{what} is not negative", number)


def _refuse(what: str, found: object) -> NoReturn:
    raise InvalidError(compose(f"Recipe: {what}.", f"found {found!r}"))


def _refuse_type(what: str, found: object) -> NoReturn:
    raise InvalidTypeError(
        compose(f"Recipe: {what}.", f"found {found!r}, a {type(found).__name__}")
    )


class _Kind(NamedTuple):
    """The labels of a gradient: names and some values of its samples, its components."""

    names: tuple[str, ...] = ()
    rows: tuple[tuple[int, ...], ...] = ((),)
    extra: tuple[str, ...] = ()


_KINDS = {
    "positions": _Kind(("system", "atom"), ((-2, 7), (0, 3), (5, -1)), ("xyz",)),
    "strain": _Kind(extra=("xyz_1", "xyz_2")),
    "cell": _Kind(extra=("abc", "xyz")),
}
_ALONG_EXTRA = 2


def random_map(recipe: Recipe, keys: Labels | None = None) -> TensorMap:
    """The map of a recipe.

    Arguments:
        recipe: what it looks like.
        keys: its keys, one for each block; random ones by default.

    Raises:
        InvalidError: for a recipe that no map can have.
        InvalidTypeError: for what is no recipe.

    Example:
        >>> tensor = random_map(Recipe(rows=(4, 0), components=(3,)))
        >>> [block.shape for block in tensor]
        [(4, 3, 2), (0, 3, 2)]
    """
    rng = np.random.default_rng(_checked("random_map", recipe).seed)
    if keys is None:
        keys = _some_labels(rng, recipe.key_names, len(recipe.rows))
    blocks: list[TensorBlock] = []
    for number in range(len(recipe.rows)):
        axes = _axes(recipe, rng, number, blocks[0] if blocks else None)
        blocks.append(_filled(axes, recipe, rng))
    return TensorMap(keys, blocks, dict(recipe.info))


def _checked(where: str, recipe: Any) -> Recipe:
    if not isinstance(recipe, Recipe):
        raise InvalidTypeError(
            compose(
                f"{where}: the argument must be a Recipe.",
                f"found {type(recipe).__name__}",
                remedy="Recipe() is one for any map.",
            )
        )
    return recipe


def random_block(recipe: Recipe) -> TensorBlock:
    """The first block of the map of a recipe.

    Example:
        >>> random_block(Recipe(rows=(4,))).gradients_list()
        ['positions']
    """
    return random_map(recipe)[0]


def random_partner(tensor: TensorMap, recipe: Recipe) -> TensorMap:
    """A map with the labels of another one, but with its own numbers and gradient rows.

    Arguments:
        tensor: any map with static samples.
        recipe: what gradients and numbers are like; its other fields do not matter.

    Example:
        >>> recipe = Recipe()
        >>> left = random_map(recipe)
        >>> right = random_partner(left, recipe)
        >>> left[0].samples == right[0].samples
        True
        >>> left[0].gradient("positions").samples == right[0].gradient("positions").samples
        False
    """
    rng = np.random.default_rng(_checked("random_partner", recipe).seed + 1)
    blocks = []
    for block in check_map("random_partner", tensor):
        axes = _Axes(block.samples, tuple(block.components), block.properties)
        blocks.append(_filled(axes, recipe, rng))
    return TensorMap(tensor.keys, blocks, dict(recipe.info))


# Labels ---------------------------------------------------------------------------------


class _Axes(NamedTuple):
    samples: Any
    components: tuple[Labels, ...]
    properties: Labels

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, (self.samples, *self.components, self.properties)))


def _axes(
    recipe: Recipe, rng: np.random.Generator, number: int, first: TensorBlock | None
) -> _Axes:
    """The labels of one block; of some axes those of the first one."""
    samples = _some_labels(rng, recipe.sample_names, recipe.rows[number])
    numbered = [f"component_{axis}" for axis in range(len(recipe.components))]
    names = recipe.component_names or numbered
    components = [
        _some_labels(rng, (name,), size, all_of=True)
        for name, size in zip(names, recipe.components, strict=True)
    ]
    count = recipe.properties
    count = count if isinstance(count, int) else count[number]
    properties = _some_labels(rng, recipe.property_names, count)
    if first is not None and "components" in recipe.shared:
        components = first.components
    if first is not None and "properties" in recipe.shared:
        properties = first.properties
    return _Axes(samples, tuple(components), properties)


def _some_labels(
    rng: np.random.Generator, names: Sequence[str], count: int, all_of: bool = False
) -> Labels:
    """Distinct entries in random order: all, or some of a few, so that parts come again."""
    width = 1
    while names and width ** len(names) < (count if all_of else max(12, 2 * count)):
        width += 1
    grid = np.indices([width] * len(names)).reshape(len(names), -1).T - 1
    table = rng.permutation(grid)[:count] if names else np.zeros((count, 0))
    return Labels(names, table.astype(np.int32))


# Blocks ---------------------------------------------------------------------------------


def _filled(axes: _Axes, recipe: Recipe, rng: np.random.Generator) -> TensorBlock:
    gradients = _gradients("", axes, recipe, rng)
    values = _numbers(rng, axes.shape, recipe.dtype, recipe.numbers)
    return TensorBlock(values, *axes, gradients)


def _gradients(
    parent: str, axes: _Axes, recipe: Recipe, rng: np.random.Generator
) -> Mapping[str, TensorBlock]:
    """The gradients of a block that is reached by a path of names."""
    found = {}
    for path in recipe.gradients:
        above, _, name = path.rpartition("/")
        if above == parent:
            own = _gradient_axes(name, axes, recipe, rng)
            kind = "whole" if recipe.numbers == "whole" else "nonzero"
            values = _numbers(rng, own.shape, recipe.dtype, kind)
            below = _gradients(path, own, recipe, rng)
            found[name] = TensorBlock(values, *own, below)
    return found


def _gradient_axes(
    name: str, parent: _Axes, recipe: Recipe, rng: np.random.Generator
) -> _Axes:
    kind = _KINDS.get(name, _Kind())
    rows = [(i, *row) for i in range(len(parent.samples)) for row in kind.rows]
    table = np.array(rows, np.int32).reshape(len(rows), 1 + len(kind.names))
    kept = rng.permutation(len(rows))[: round(recipe.density * len(rows))]
    taken = [labels.names[0] for labels in parent.components]
    extra = [Labels.range(_unused(axis, taken), _ALONG_EXTRA) for axis in kind.extra]
    samples = Labels(["sample", *kind.names], table[kept])
    return _Axes(samples, (*extra, *parent.components), parent.properties)


def _unused(name: str, taken: Sequence[str]) -> str:
    """The name, or with a number: a block can not have two axes with one name."""
    numbered, number = name, 1
    while numbered in taken:
        number += 1
        numbered = f"{name}_{number}"
    return numbered


def _numbers(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, kind: str
) -> jax.Array:
    check_dtype(dtype, "random_map", 'use Recipe(dtype="float32").')
    if kind not in ("nonzero", "positive", "whole"):
        raise InvalidError(
            compose(
                f"random_map: there are no {kind!r} numbers.",
                choices(kind, ("nonzero", "positive", "whole")),
            )
        )
    whole = kind == "whole" or not jnp.issubdtype(np.dtype(dtype), np.inexact)
    values = rng.integers(1, 100, shape) if whole else rng.uniform(0.5, 2.0, shape)
    if kind != "positive":
        values = values * rng.choice([-1, 1], shape)
    if jnp.issubdtype(np.dtype(dtype), np.complexfloating):
        values = values + 1j * rng.integers(-9, 10, shape)
    return jax.device_put(values.astype(dtype))
