"""Blocks and maps as arrays, datasets and trees of xarray, and back."""

from __future__ import annotations

from typing import Any, Literal, overload

from jaxmeta.core import Labels, TensorBlock, TensorMap
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingExtraError, compose
from jaxmeta.interop._arrays import Arrays, check_arrays, delivered, host_values
from jaxmeta.interop._datasets import (
    PROPERTIES,
    VALUES,
    Place,
    block_of_dataset,
    group_of_key,
    keys_of_groups,
    part_of,
)
from jaxmeta.interop._flat import Table, check_names, rows_of


try:
    import pandas
    import xarray
except ImportError as error:
    raise MissingExtraError(__name__, "xarray", "xarray") from error


@overload
def to_xarray(obj: TensorMap, *, copy: bool = ...) -> xarray.DataTree: ...
@overload
def to_xarray(
    obj: TensorBlock, gradients: Literal[False] = ..., *, copy: bool = ...
) -> xarray.DataArray: ...
@overload
def to_xarray(
    obj: TensorBlock, gradients: Literal[True], *, copy: bool = ...
) -> xarray.Dataset: ...
def to_xarray(obj: Any, gradients: bool = False, *, copy: bool = False) -> Any:
    """A block as a labelled array or a dataset of xarray, a map as a tree of datasets.

    Values: one array with the dimensions ``samples``, one for each component under its
    own name, and ``properties``. Samples and properties are indexed by all their
    dimensions at once (a multi-index), so that ``array.sel(system=0, n=1)`` works.
    The values are seen where they are, read-only.

    Gradients: variables of the dataset beside ``values``. The gradient ``positions`` has
    the dimension ``positions.samples``, with levels ``positions.sample.system`` for each
    dimension of the samples it belongs to (in place of their number, ``sample``) and
    ``positions.atom`` for each of its own, and components like ``positions.xyz``; those of
    the values, and the properties, are shared. The gradient ``strain`` of this gradient is
    ``positions.strain``.

    Arguments:
        obj: a block or a map with static samples. Each key of a map is a group of the
            tree, called like ``center_type=8,neighbor_type=1``; info becomes `attrs`.
        gradients: whether a block becomes a `Dataset`, with its gradients, rather than the
            `DataArray` of its values. A map always has its gradients.
        copy: True gives arrays of xarray's own, which may be changed in place.

    Raises:
        InvalidError: where two things would have the same name, since names belong to one
            axis here and to the whole array there; for names of gradients with a dot; for a
            map without blocks.
        DynamicSamplesError: for dynamic samples.
        InvalidTypeError: for other objects, and for values that JAX traces.

    Example:
        >>> import numpy as np
        >>> samples = Labels(["system", "atom"], [[0, 0], [0, 1], [1, 0]])
        >>> block = TensorBlock(np.eye(3), samples, [], Labels.range("n", 3))
        >>> array = to_xarray(block)
        >>> array.dims, array.sel(system=0, atom=1).values.tolist()
        (('samples', 'properties'), [0.0, 1.0, 0.0])
        >>> from_xarray(array.isel(samples=[2, 0]), "numpy").samples["system"]
        array([1, 0], dtype=int32)
    """
    if isinstance(obj, TensorBlock):
        dataset = _dataset(obj, "the block", gradients, copy)
        return dataset if gradients else dataset[VALUES]
    if isinstance(obj, TensorMap):
        return _tree(obj, copy)
    raise InvalidTypeError(
        compose(
            "to_xarray: this is no TensorBlock or TensorMap.",
            f"found a {type(obj).__module__}.{type(obj).__name__}",
        )
    )


def _tree(tensor: TensorMap, copy: bool) -> xarray.DataTree:
    if len(tensor) == 0:
        raise InvalidError(
            compose(
                "to_xarray: the map has no blocks.",
                f"a tree without groups does not say that its keys are {tensor.keys.names}",
            )
        )
    groups = {"/": xarray.Dataset(attrs=tensor.info())}
    for key, block in tensor.items():
        group = group_of_key(key.names, key.values.tolist())
        groups[group] = _dataset(block, f"block {key.print()}", True, copy)
    return xarray.DataTree.from_dict(groups)


class _Variable:
    """One variable of a dataset: its array, and what its axes are called there."""

    def __init__(self, root: TensorBlock, place: Place, inherited: tuple[str, ...]) -> None:
        block, (names, rows) = rows_of(root, place.path, "to_xarray", False)
        count = len(block.components) - len(inherited)
        self.block = block
        self.place = place
        self.samples = Table(tuple(place.prefix + name for name in names), rows)
        self.own = {place.prefix + c.names[0]: c for c in block.components[:count]}
        self.components = (*self.own, *inherited)

    def array(self, where: str, copy: bool) -> tuple[tuple[str, ...], Any]:
        """Its dimensions and its values."""
        if self.place.path:
            where = f"gradient {self.place.variable!r} of {where}"
        values = host_values(self.block.values, "to_xarray", where, copy)
        return (self.place.samples, *self.components, PROPERTIES), values

    @property
    def names(self) -> list[tuple[str, str]]:
        """The names that it brings, and the axis that each belongs to."""
        kinds = (_GIVEN, "samples", "components")
        if self.place.path:
            kinds = (f"gradient {self.place.variable!r}",) * 3
        groups = ((self.place.variable, self.place.samples), self.samples.names, self.own)
        return [(kind, n) for kind, g in zip(kinds, groups, strict=True) for n in g]


_GIVEN = "names that every dataset has"


def _variables(
    root: TensorBlock, place: Place, inherited: tuple[str, ...], below: bool
) -> list[_Variable]:
    """The variables of the block at this place and, if wanted, of all below it."""
    variable = _Variable(root, place, inherited)
    found = [variable]
    for name in variable.block.gradients_list() if below else []:
        if "." in name:
            raise InvalidError(
                compose(
                    f"to_xarray: the gradient {name!r} has a dot in its name.",
                    "it could not be told from a gradient of a gradient",
                    remedy="give it another name: block.with_gradient(name, gradient).",
                )
            )
        nested = Place((*place.path, name))
        found += _variables(root, nested, variable.components, True)
    return found


def _dataset(block: TensorBlock, where: str, gradients: bool, copy: bool) -> xarray.Dataset:
    variables = _variables(block, Place(), (), gradients)
    names = [(_GIVEN, PROPERTIES), *(name for v in variables for name in v.names)]
    names += [("properties", name) for name in block.properties.names]
    check_names(names, "to_xarray", f"things in the dataset of {where}")
    arrays = {v.place.variable: v.array(where, copy) for v in variables}
    properties = Table(block.properties._names, block.properties.values)
    parts = [_levels(v.place.samples, v.samples) for v in variables]
    parts += [_levels(PROPERTIES, properties)]
    parts += [_counted(name, own) for v in variables for name, own in v.own.items()]
    # Put together first: xarray aligns all arrays again for whatever comes later.
    coordinates = {name: found for part in parts for name, found in part.variables.items()}
    indexes = {name: index for part in parts for name, index in part.xindexes.items()}
    return xarray.Dataset(arrays, xarray.Coordinates(coordinates, indexes))


def _levels(dimension: str, table: Table) -> xarray.Coordinates:
    """The levels of samples or properties; none at all have no coordinates."""
    if not table.names:
        return xarray.Coordinates()
    index = pandas.MultiIndex.from_arrays(list(table.rows.T), names=list(table.names))
    return xarray.Coordinates.from_pandas_multiindex(index, dimension)


def _counted(dimension: str, component: Labels) -> xarray.Coordinates:
    return xarray.Coordinates({dimension: component.values[:, 0]})


@overload
def from_xarray(
    obj: xarray.DataTree, arrays: Arrays = ..., *, copy: bool | None = ...
) -> TensorMap: ...
@overload
def from_xarray(
    obj: xarray.DataArray | xarray.Dataset,
    arrays: Arrays = ...,
    *,
    copy: bool | None = ...,
) -> TensorBlock: ...
def from_xarray(obj: Any, arrays: Arrays = "jax", *, copy: bool | None = None) -> Any:
    """The block of an array or a dataset of xarray, the map of a tree: see `to_xarray`.

    Values keep their dtype; axes are brought into the order of blocks, samples first and
    properties last. Coordinates other than those of `to_xarray` are left out, attributes
    too, but for those of a tree, which are the info of the map.

    Gradients: each row belongs to the sample with its labels, wherever that is now.

    Arguments:
        obj: a `DataArray` with the dimensions ``samples`` and ``properties``, both with a
            multi-index; a `Dataset` with such an array ``values``, and gradients; or a
            `DataTree` with a dataset for each key.
        arrays: ``"jax"`` for arrays of JAX, on its default device; ``"numpy"`` for
            read-only views of xarray's own.
        copy: None shares memory where that is possible: always for numpy, for JAX on the
            CPU where an array is aligned to 64 bytes; shared values must not be changed
            any more. True always copies. False shares or raises.

    Raises:
        InvalidError: for dimensions without labels, other names of variables and groups,
            or gradient rows whose sample is not there; or when ``copy=False`` can not be
            kept.
        InvalidTypeError: for other objects, and for labels that are not integers.
        PrecisionError: for values of 64 bits in arrays of JAX that runs without x64.

    Example:
        >>> import numpy as np, xarray
        >>> array = xarray.DataArray(
        ...     np.zeros((2, 3, 1)),
        ...     coords={"system": [5, 6], "xyz": [0, 1, 2], "n": [0]},
        ... )
        >>> block = from_xarray(array.stack(samples=["system"], properties=["n"]))
        >>> block.samples.names, block.components[0].names, block.shape
        (['system'], ['xyz'], (2, 3, 1))
    """
    check_arrays(arrays, "from_xarray")
    if isinstance(obj, xarray.DataArray):
        part = part_of(obj, Place(), "from_xarray")
        samples = Labels(part.samples.names, part.samples.rows)
        data: Any = TensorBlock(part.values, samples, part.components, part.properties)
    elif isinstance(obj, xarray.Dataset):
        data = block_of_dataset(obj, "from_xarray")
    elif isinstance(obj, xarray.DataTree):
        data = _map(obj)
    else:
        raise InvalidTypeError(
            compose(
                "from_xarray: this is no DataArray, Dataset or DataTree of xarray.",
                f"found a {type(obj).__module__}.{type(obj).__name__}",
            )
        )
    return delivered(data, arrays, copy, "from_xarray", _OTHERWISE)


_OTHERWISE = (
    'convert on purpose, array.astype("float32"); or keep numpy arrays, arrays="numpy".'
)


def _map(tree: xarray.DataTree) -> TensorMap:
    groups = {str(name): group for name, group in tree.children.items()}
    if not groups or tree.data_vars or any(group.children for group in groups.values()):
        raise InvalidError(
            compose(
                "from_xarray: a tree has one group for each key, and nothing else.",
                f"the variables of the root are {[str(name) for name in tree.data_vars]}",
                f"the groups are {[group.path for group in tree.descendants]}",
                remedy="for a block, give a dataset: tree.to_dataset(), "
                'tree["group"].to_dataset().',
            )
        )
    keys = keys_of_groups(list(groups))
    blocks = [
        block_of_dataset(group.to_dataset(inherit=False), f"from_xarray: group {name!r}")
        for name, group in groups.items()
    ]
    return TensorMap(keys, blocks, {str(name): text for name, text in tree.attrs.items()})
