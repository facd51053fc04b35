"""Labels, blocks and maps of metatensor become those of jaxmeta, and back.

Memory is shared wherever it can be. metatensor's arrays may be changed in place and
those of JAX may not: an array that is shared has to stay as it is on both sides, or be
asked for with ``copy=True``.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary

import numpy as np

from jaxmeta.core import DynamicLabels, Labels, LabelsEntry, TensorBlock, TensorMap
from jaxmeta.errors import DynamicSamplesError, InvalidTypeError, MissingExtraError, compose
from jaxmeta.interop._arrays import Arrays, check_arrays, delivered, host_values, read_only


try:
    import metatensor
except ImportError as error:
    raise MissingExtraError(__name__, "metatensor-core", "metatensor") from error


T = TypeVar("T")


@overload
def from_metatensor(
    obj: metatensor.TensorMap, arrays: Arrays = ..., *, copy: bool | None = ...
) -> TensorMap: ...
@overload
def from_metatensor(
    obj: metatensor.TensorBlock, arrays: Arrays = ..., *, copy: bool | None = ...
) -> TensorBlock: ...
@overload
def from_metatensor(
    obj: metatensor.Labels, arrays: Arrays = ..., *, copy: bool | None = ...
) -> Labels: ...
@overload
def from_metatensor(
    obj: metatensor.LabelsEntry, arrays: Arrays = ..., *, copy: bool | None = ...
) -> LabelsEntry: ...
def from_metatensor(obj: Any, arrays: Arrays = "jax", *, copy: bool | None = None) -> Any:
    """The same object in jaxmeta, gradients of any depth and `info` included.

    Values keep their dtype. Labels are copied, once for all labels that are equal.

    Arguments:
        obj: Labels, LabelsEntry, TensorBlock or TensorMap of metatensor, with numpy
            arrays (those that featomic makes are such).
        arrays: ``"jax"`` for arrays of JAX, on its default device; ``"numpy"`` for
            read-only views of metatensor's own arrays, whatever JAX is set to.
        copy: None shares memory where that is possible: always for numpy, for JAX on
            the CPU where an array is aligned to 64 bytes; shared values must not be
            changed any more. True always copies. False shares or raises.

    Returns:
        The `Labels`, `LabelsEntry`, `TensorBlock` or `TensorMap` of jaxmeta.

    Raises:
        PrecisionError: for values of 64 bits in arrays of JAX that runs without x64.
        InvalidTypeError: for any other object, or for values in arrays of torch.
        InvalidError: when ``copy=False`` can not be kept.

    Example:
        >>> import metatensor, numpy as np
        >>> block = metatensor.block_from_array(np.eye(3))
        >>> from_metatensor(block, arrays="numpy").values is block.values
        False
        >>> np.shares_memory(from_metatensor(block, arrays="numpy").values, block.values)
        True
        >>> from_metatensor(block).properties.names
        ['property']
    """
    check_arrays(arrays, "from_metatensor")
    if isinstance(obj, metatensor.Labels):
        return _labels(obj)
    if isinstance(obj, metatensor.LabelsEntry):
        return LabelsEntry(obj.names, _host(obj.values, "the entry"))
    if isinstance(obj, metatensor.TensorBlock):
        return _delivered(_block(obj, "the block"), arrays, copy)
    if isinstance(obj, metatensor.TensorMap):
        named = ((f"block {key.print()}", block) for key, block in obj.items())
        blocks = [_block(block, name) for name, block in named]
        # metatensor gives back empty text as None.
        info = {name: text or "" for name, text in obj.info().items()}
        return _delivered(TensorMap(_labels(obj.keys), blocks, info), arrays, copy)
    raise InvalidTypeError(_unknown(obj))


def _unknown(obj: Any) -> str:
    kind = f"{type(obj).__module__}.{type(obj).__name__}"
    scripted = kind.startswith(("torch.", "metatensor.torch"))
    return compose(
        "from_metatensor: this is no object of metatensor.",
        f"found a {kind}; there are Labels, LabelsEntry, TensorBlock and TensorMap",
        remedy="objects of metatensor.torch go through a file or buffer: "
        "metatensor.torch.save(path, tensor), then jaxmeta.load(path)."
        if scripted
        else "",
    )


def _labels(labels: Any) -> Labels:
    return Labels(labels.names, _host(labels.values, "the labels"), assume_unique=True)


def _block(block: Any, where: str) -> TensorBlock:
    """The block with read-only views of the very arrays of metatensor."""
    return TensorBlock(
        _host(block.values, where),
        _labels(block.samples),
        [_labels(component) for component in block.components],
        _labels(block.properties),
        {
            name: _block(gradient, f"gradient {name!r} of {where}")
            for name, gradient in block.gradients()
        },
    )


def _host(array: Any, where: str) -> np.ndarray:
    """A read-only view of a numpy array; arrays of torch are refused."""
    if not isinstance(array, np.ndarray):
        raise InvalidTypeError(
            compose(
                f"from_metatensor: the arrays of {where} are not numpy arrays.",
                f"found {type(array).__module__}.{type(array).__name__}",
                remedy='convert first: from_metatensor(tensor.to(arrays="numpy")).',
            )
        )
    return read_only(np.asarray(array))


_OTHERWISE = (
    "convert on purpose, from_metatensor(tensor.to(dtype=np.float32)); or keep numpy "
    'arrays, arrays="numpy".'
)


def _delivered(data: T, arrays: Arrays, copy: bool | None) -> T:
    return delivered(data, arrays, copy, "from_metatensor", _OTHERWISE)


@overload
def to_metatensor(obj: TensorMap, *, copy: bool = ...) -> metatensor.TensorMap: ...
@overload
def to_metatensor(obj: TensorBlock, *, copy: bool = ...) -> metatensor.TensorBlock: ...
@overload
def to_metatensor(obj: Labels, *, copy: bool = ...) -> metatensor.Labels: ...
@overload
def to_metatensor(obj: LabelsEntry, *, copy: bool = ...) -> metatensor.LabelsEntry: ...
def to_metatensor(obj: Any, *, copy: bool = False) -> Any:
    """The same object in metatensor, gradients of any depth and `info` included.

    Values become numpy arrays of the same dtype. Those of JAX on the CPU and those of
    numpy are shared: metatensor sees them read-only. From other devices they are fetched.

    Arguments:
        obj: `Labels`, `LabelsEntry`, `TensorBlock` or `TensorMap`.
        copy: True gives arrays of metatensor's own, which may be changed in place.

    Returns:
        The object of metatensor.

    Raises:
        DynamicSamplesError: for dynamic samples, which metatensor does not have.
        InvalidTypeError: for any other object, for values that JAX traces, and for
            dtypes that numpy does not have, such as bfloat16.

    Example:
        >>> import jax.numpy as jnp
        >>> labels = Labels.range("n", 3)
        >>> block = TensorBlock(jnp.ones((3, 3)), labels, [], labels)
        >>> to_metatensor(block).values.flags.writeable
        False
        >>> to_metatensor(block, copy=True).values.flags.writeable
        True
    """
    if isinstance(obj, Labels):
        return _their_labels(obj)
    if isinstance(obj, LabelsEntry):
        return metatensor.LabelsEntry(obj.names, obj.values)
    if isinstance(obj, TensorBlock):
        return _their_block(obj, "the block", copy)
    if isinstance(obj, TensorMap):
        blocks = [
            _their_block(block, f"block {key.print()}", copy) for key, block in obj.items()
        ]
        tensor = metatensor.TensorMap(_their_labels(obj.keys), blocks)
        for name, value in obj.info().items():
            tensor.set_info(name, value)
        return tensor
    raise InvalidTypeError(
        compose(
            "to_metatensor: this is no object of jaxmeta.",
            f"found a {type(obj).__module__}.{type(obj).__name__}; there are Labels, "
            "LabelsEntry, TensorBlock and TensorMap",
        )
    )


# metatensor never frees the memory of Labels: those that are equal are made once.
_THEIRS: WeakKeyDictionary[Labels, metatensor.Labels] = WeakKeyDictionary()


def _their_labels(labels: Labels) -> metatensor.Labels:
    found = _THEIRS.get(labels)
    if found is None:
        found = metatensor.Labels(labels.names, labels.values, assume_unique=True)
        _THEIRS[labels] = found
    return found


def _their_block(block: TensorBlock, where: str, copy: bool) -> metatensor.TensorBlock:
    if isinstance(block.samples, DynamicLabels):
        raise DynamicSamplesError(
            compose(
                f"to_metatensor: the samples of {where} are dynamic.",
                "metatensor has no such thing",
                remedy="outside of traced functions, jaxmeta.unpad(...) makes them static.",
            )
        )
    theirs = metatensor.TensorBlock(
        _their_values(block.values, where, copy),
        _their_labels(block.samples),
        [_their_labels(component) for component in block.components],
        _their_labels(block.properties),
    )
    for name, gradient in block.gradients():
        below = _their_block(gradient, f"gradient {name!r} of {where}", copy)
        theirs.add_gradient(name, below)
    return theirs


def _their_values(values: Any, where: str, copy: bool) -> np.ndarray:
    array = host_values(values, "to_metatensor", where, copy)
    # Row-major is what metatensor asks for; numpy copies only what is not.
    return array if copy else read_only(np.ascontiguousarray(array))
