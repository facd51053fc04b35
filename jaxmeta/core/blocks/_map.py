"""TensorMap: blocks by key, as one flat pytree node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, final

import jax

from jaxmeta.core.arithmetic import _arithmetic
from jaxmeta.core.blocks import _show
from jaxmeta.core.blocks._block import TensorBlock
from jaxmeta.core.blocks._map_checks import checked_blocks, checked_info
from jaxmeta.core.blocks._map_moves import WithMoves
from jaxmeta.core.labels._arguments import check_list
from jaxmeta.core.labels._entry import LabelsEntry
from jaxmeta.core.labels._labels import Labels
from jaxmeta.core.layouts import _convert
from jaxmeta.core.layouts._keys import LeafKey
from jaxmeta.core.layouts._layout import Layout, layout
from jaxmeta.core.parts import _sel
from jaxmeta.core.parts._queries import Selector
from jaxmeta.core.parts._selection import one_block, several_blocks
from jaxmeta.errors import ImmutableError, InvalidTypeError, compose


@final
class TensorMap(WithMoves):
    """Blocks of labelled arrays, one for each key: a pytree of arrays.

    Keys say how the blocks differ, for instance in chemical types. All blocks have the
    same names along every axis, the same gradients and the same dtype; their labels and
    sizes differ. Keys, labels and `info` are static under every transformation of JAX,
    the arrays are its leaves. Functions compiled for one map serve every map with equal
    metadata and shapes.

    Immutable: methods named ``with_...`` give changed copies that share the arrays.

    Arguments:
        keys: one entry per block.
        blocks: as many blocks, in the order of the keys.
        info: free text by name, for instance units; it travels through every operation.

    Raises:
        InvalidError: when numbers or names do not agree between keys and blocks.
        InvalidTypeError: for arguments of other types, or blocks of different dtypes.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> block = TensorBlock(
        ...     jnp.ones((2, 3)), Labels.range("system", 2), [], Labels.range("n", 3)
        ... )
        >>> tensor = TensorMap(Labels("center_type", [[8]]), [block])
        >>> doubled = jax.jit(lambda t: 2 * t)(tensor)
        >>> doubled.block(center_type=8).values[0]
        Array([2., 2., 2.], dtype=float64)
    """

    __slots__ = ()

    # numpy scalars and arrays on the left hand side leave the operator to this class.
    __array_ufunc__ = None

    _layout: Layout

    def __init__(
        self,
        keys: Labels,
        blocks: Sequence[TensorBlock],
        info: Mapping[str, str] | None = None,
    ) -> None:
        blocks = checked_blocks(keys, blocks)
        parts = tuple(block._layout for block in blocks)
        self._layout = layout(keys, parts, checked_info(info))
        self._leaves = tuple(leaf for block in blocks for leaf in block._leaves)

    # Blocks -------------------------------------------------------------------------

    @property
    def keys(self) -> Labels:
        """One entry per block."""
        return self._layout.keys

    def __len__(self) -> int:
        return len(self._layout.blocks)

    def __iter__(self) -> Iterator[TensorBlock]:
        return (self._block(i) for i in range(len(self)))

    def items(self) -> Iterator[tuple[LabelsEntry, TensorBlock]]:
        """Key and block of every block, in order."""
        return zip(self.keys, self, strict=True)

    def _block(self, index: int) -> TensorBlock:
        layout = self._layout
        offset = layout.offsets[index]
        block = layout.blocks[index]
        return TensorBlock._view(block, self._leaves[offset : offset + block.size])

    def block(self, selection: Any = None, /, **key: int) -> TensorBlock:
        """The one block that matches.

        Arguments:
            selection: a position, a dictionary, a `LabelsEntry` or `Labels` with one
                entry; names that are not given match everything.
            **key: the same, as keyword arguments.

        Raises:
            MissingError: when no block matches, or a name is unknown.
            InvalidError: when more than one block matches.
            OutOfRangeError: for a position that is not there.

        >>> import jax.numpy as jnp
        >>> n = Labels.range("n", 1)
        >>> blocks = [TensorBlock(jnp.ones((i, 1)), Labels.range("s", i), [], n)
        ...           for i in (1, 2)]
        >>> tensor = TensorMap(Labels("center_type", [[1], [8]]), blocks)
        >>> tensor.block(center_type=8).shape, tensor.block({"center_type": 1}).shape
        ((2, 1), (1, 1))
        """
        return self._block(one_block(self._layout.keys, selection, key))

    def blocks(self, selection: Any = None, /, **key: int) -> list[TensorBlock]:
        """All blocks that match, in order; all there are without a selection.

        Arguments:
            selection: as for `block`, `Labels` with several entries, or a list of
                positions.

        Raises:
            MissingError: when no block matches, or a name is unknown.
        """
        return [self._block(i) for i in several_blocks(self._layout.keys, selection, key)]

    def block_by_id(self, index: int) -> TensorBlock:
        """The block at one position."""
        return self._block(one_block(self._layout.keys, index, {}))

    def blocks_by_id(self, indexes: Sequence[int]) -> list[TensorBlock]:
        """The blocks at several positions."""
        wanted = "positions must be a list of integers"
        found = check_list("TensorMap.blocks_by_id", wanted, indexes)
        return [self.block_by_id(index) for index in found]

    def __getitem__(self, selection: Any) -> TensorBlock:
        return self.block(selection)

    def sel(
        self,
        *,
        keys: Selector = None,
        samples: Selector = None,
        components: Selector = None,
        properties: Selector = None,
    ) -> TensorMap:
        """Some of the blocks, and of their samples, components and properties.

        Each argument is what `TensorBlock.sel` takes; `keys` chooses blocks. Functions
        are asked for every block that `keys` keeps. Rows and blocks keep their order.

        >>> import jax.numpy as jnp
        >>> n, rows = Labels.range("n", 1), Labels.range("system", 4)
        >>> block = TensorBlock(jnp.arange(4.0)[:, None], rows, [], n)
        >>> tensor = TensorMap(Labels("center_type", [[1], [8]]), [block, block])
        >>> part = tensor.sel(keys={"center_type": 8}, samples=lambda s: s["system"] > 1)
        >>> len(part), part[0].values.ravel().tolist()
        (1, [2.0, 3.0])
        """
        return _sel.sel(self, keys, samples, components, properties)

    @property
    def sample_names(self) -> list[str]:
        """Names of the samples of every block."""
        return list(self._layout.blocks[0].sample_names) if len(self) else []

    @property
    def component_names(self) -> list[str]:
        """Names of the components of every block."""
        if not len(self):
            return []
        return list(self._layout.blocks[0].component_names)

    @property
    def property_names(self) -> list[str]:
        """Names of the properties of every block."""
        return self._layout.blocks[0].properties.names if len(self) else []

    @property
    def dtype(self) -> Any:
        """The dtype of all values; None without blocks, or where leaves are no arrays."""
        return getattr(self._leaves[0], "dtype", None) if self._leaves else None

    @property
    def device(self) -> Any:
        """The device or sharding of the first block; ``"cpu"`` without blocks."""
        return _convert.device_of(self._leaves[0]) if self._leaves else "cpu"

    # Info ---------------------------------------------------------------------------

    def info(self) -> dict[str, str]:
        """All info, as a fresh dictionary."""
        return dict(self._layout.info)

    def get_info(self, name: str) -> str | None:
        """The info of this name, None when there is none.

        Raises:
            InvalidTypeError: for a name that is no string.
        """
        if not isinstance(name, str):
            raise InvalidTypeError(
                compose("TensorMap.get_info: a name is a string.", f"found {name!r:.100}")
            )
        return next((text for key, text in self._layout.info if key == name), None)

    def with_info(
        self, info: Mapping[str, str] | None = None, /, **entries: str
    ) -> TensorMap:
        """This map with more info; entries of the same name are replaced.

        Info is static: a compiled function is compiled again for other info.
        """
        merged = self.info() | dict(checked_info(info)) | entries
        return TensorMap._view(self._layout.with_info(checked_info(merged)), self._leaves)

    def set_info(self, *_: Any, **__: Any) -> NoReturn:
        """Maps are immutable: use `with_info`.

        Raises:
            ImmutableError: always.
        """
        raise ImmutableError(
            compose(
                "TensorMap: set_info can not change a map: maps are immutable.",
                remedy="use tensor.with_info({name: value}), which gives a new map.",
            )
        )

    # Operators ----------------------------------------------------------------------

    def __neg__(self) -> TensorMap:
        return _arithmetic.negative(self)

    def __pos__(self) -> TensorMap:
        return self

    def __abs__(self) -> TensorMap:
        return _arithmetic.absolute(self)

    def __add__(self, other: Any) -> TensorMap:
        return _arithmetic.add(self, other)

    def __radd__(self, other: Any) -> TensorMap:
        return _arithmetic.add(self, other)

    def __sub__(self, other: Any) -> TensorMap:
        return _arithmetic.subtract(self, other)

    def __rsub__(self, other: Any) -> TensorMap:
        return _arithmetic.subtract_from(other, self)

    def __mul__(self, other: Any) -> TensorMap:
        return _arithmetic.multiply(self, other)

    def __rmul__(self, other: Any) -> TensorMap:
        return _arithmetic.multiply(self, other)

    def __truediv__(self, other: Any) -> TensorMap:
        return _arithmetic.divide(self, other)

    def __rtruediv__(self, other: Any) -> TensorMap:
        return _arithmetic.reciprocal(self, other)

    def __pow__(self, other: Any) -> TensorMap:
        return _arithmetic.power(self, other)

    def __matmul__(self, other: Any) -> TensorMap:
        return _arithmetic.dot(self, other)

    # Display ----------------------------------------------------------------------

    def print(self, max_keys: int = -1) -> str:
        """The map as a table with one line per block, all or `max_keys` of them."""
        return _show.tensor_map(self, max_keys)

    def __str__(self) -> str:
        return _show.tensor_map(self, 8)

    def __repr__(self) -> str:
        return _show.tensor_map(self, 20)

    def _repr_html_(self) -> str:
        return _show.tensor_map_html(self)

    def __treescope_repr__(self, path: Any, subtree_renderer: Any) -> Any:
        return _show.tensor_map_tree(self, path, subtree_renderer)


def _flatten_with_keys(tensor: TensorMap) -> tuple[tuple[Any, ...], Layout]:
    layout = tensor._layout
    return tuple(
        (LeafKey(path), leaf)
        for path, leaf in zip(layout.paths, tensor._leaves, strict=True)
    ), layout


def _unflatten(layout: Any, leaves: Any) -> TensorMap:
    # Leaves may be of any kind (tracers, None, object()): nothing is validated.
    tensor = object.__new__(TensorMap)
    tensor._layout = layout
    tensor._leaves = leaves
    return tensor


jax.tree_util.register_pytree_with_keys(
    TensorMap,
    _flatten_with_keys,
    _unflatten,
    lambda tensor: (tensor._leaves, tensor._layout),
)
