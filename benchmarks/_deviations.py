"""Where operations do something else than metatensor, on purpose; and what has no case."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import jax

from jaxmeta import TensorMap


@dataclasses.dataclass(frozen=True)
class Deviation:
    """Where this project does something else than metatensor, and why.

    Arguments:
        title: a name for it.
        operations: which ones; none for all of them.
        reason: what metatensor does there, and what is done here.
        where: whether it shows for an operation on these operands.
        compared: which numbers are compared there, beside all labels: those of the
            ``"values"`` or ``"none"``; or ``"nothing"`` at all.
    """

    title: str
    operations: tuple[str, ...]
    reason: str
    where: Callable[[Sequence[TensorMap]], bool]
    compared: str


def _never(maps: Sequence[TensorMap]) -> bool:
    """Random maps of equal metadata do not show it; other tests do."""
    return False


def _has_components(maps: Sequence[TensorMap]) -> bool:
    return any(tensor.component_names for tensor in maps)


def _has_gradients(maps: Sequence[TensorMap]) -> bool:
    return any(block.gradients_list() for tensor in maps for block in tensor)


def _has_empty_part(maps: Sequence[TensorMap]) -> bool:
    return any(0 in leaf.shape for tensor in maps for leaf in jax.tree.leaves(tensor))


def _with_blocks(*names: str) -> tuple[str, ...]:
    return (*names, *(f"{name}_block" for name in names))


DEVIATIONS = [
    Deviation(
        "means of gradients",
        _with_blocks("mean_over_samples", "var_over_samples", "std_over_samples"),
        "metatensor divides gradients by the number of gradient rows that are merged, not "
        "by the number of samples: wrong unless every sample has every row.",
        _has_gradients,
        "values",
    ),
    Deviation(
        "means beside components",
        _with_blocks("mean_over_properties", "var_over_properties", "std_over_properties"),
        "metatensor takes the component axis for that of the properties: an exception, or "
        "wrong numbers where sizes happen to agree.",
        _has_components,
        "nothing",
    ),
    Deviation(
        "sorting empty blocks",
        ("sort", "sort_block"),
        "metatensor leaves blocks without samples unsorted along all axes, and fails for "
        "gradients without rows.",
        _has_empty_part,
        "nothing",
    ),
    Deviation(
        "empty_like",
        _with_blocks("empty_like"),
        "metatensor's numbers are whatever was in memory; here they are zeros.",
        lambda maps: True,
        "none",
    ),
    Deviation(
        "other gradients",
        ("add", "subtract", "multiply", "divide"),
        "metatensor refuses maps whose gradients have other rows, or of which only one has "
        "gradients; here the rows are merged, and a row that is not there is zero.",
        _never,
        "all",
    ),
    Deviation(
        "dot with gradients",
        ("dot",),
        "metatensor refuses a right side with gradients; here both sides may have some.",
        _never,
        "all",
    ),
    Deviation(
        "positions that stand twice",
        ("slice", "slice_block", "split", "split_block"),
        "metatensor gives a row twice for a position that stands twice, and so labels that "
        "are none; here that is refused.",
        _never,
        "all",
    ),
    Deviation(
        "dimensions of components",
        (
            "insert_dimension",
            "append_dimension",
            "permute_dimensions",
            "remove_dimension",
            "rename_dimension",
        ),
        "metatensor silently does nothing with axis='components', or with a component "
        "that is not there; here it is refused, because a component has one dimension.",
        _never,
        "all",
    ),
    Deviation(
        "complex variances",
        (
            "abs",
            *_with_blocks("var_over_samples", "std_over_samples"),
            *_with_blocks("var_over_properties", "std_over_properties"),
        ),
        "metatensor squares complex numbers in variances, where squared moduli are meant, "
        "and gives complex gradients of moduli, which are real.",
        _never,
        "all",
    ),
    Deviation(
        "keys of random numbers",
        ("random_uniform_like", "random_uniform_like_block"),
        "takes a key of jax.random first.",
        _never,
        "nothing",
    ),
    Deviation(
        "requires_grad",
        ("requires_grad", "requires_grad_block"),
        "metatensor sets a flag of torch; in JAX functions are differentiated.",
        _never,
        "nothing",
    ),
    Deviation(
        "checks",
        ("unsafe_disable_checks", "unsafe_enable_checks"),
        "metatensor skips no check of an operation either; here plans are checked once.",
        _never,
        "nothing",
    ),
    Deviation(
        "gradients of gradients",
        (),
        "metatensor refuses gradients of gradients, or drops them without a word; here "
        "they are kept and exact, or refused by name.",
        _never,
        "all",
    ),
    Deviation(
        "info",
        (),
        "metatensor drops the info of a map; here it stays.",
        _never,
        "all",
    ),
    Deviation(
        "whole numbers",
        (
            *("add", "subtract", "multiply", "divide", "pow"),
            *(
                f"{name}_over_{axis}{block}"
                for axis in ("samples", "properties")
                for name in ("mean", "var", "std")
                for block in ("", "_block")
            ),
        ),
        "metatensor gives floats for integers, also where the scalar is an integer; here "
        "the dtype stays, and where it could not, that is refused.",
        _never,
        "all",
    ),
    Deviation(
        "single precision",
        tuple(
            f"{name}_over_{axis}{block}"
            for axis in ("samples", "properties")
            for name in ("mean", "var", "std")
            for block in ("", "_block")
        ),
        "metatensor fails for float32 with gradients, which it makes float64; here the "
        "dtype stays.",
        _never,
        "all",
    ),
    Deviation(
        "all dimensions of no samples",
        tuple(
            f"{name}_over_samples{block}"
            for name in ("sum", "mean", "var", "std")
            for block in ("", "_block")
        ),
        "metatensor gives samples without any name where all dimensions of a block without "
        "samples are reduced; here the name is '_', as where there are samples.",
        _never,
        "all",
    ),
    Deviation(
        "all dimensions of no properties",
        tuple(
            f"{name}_over_properties{block}"
            for name in ("sum", "mean", "var", "std")
            for block in ("", "_block")
        ),
        "metatensor gives properties without any name where all dimensions of a block "
        "without properties are reduced; here the name is '_', as where there are some.",
        _never,
        "all",
    ),
    Deviation(
        "gradients without properties",
        ("abs", "pow", "multiply", "divide"),
        "metatensor fails for gradients of blocks without properties.",
        _never,
        "all",
    ),
    Deviation(
        "maps without blocks",
        (
            *("sort", "unique_metadata", "slice", "split"),
            *(f"{name}_over_samples" for name in ("sum", "mean", "var", "std")),
        ),
        "metatensor fails for maps without blocks; here results have no blocks either.",
        _never,
        "all",
    ),
    Deviation(
        "no name to be unique in",
        _with_blocks("unique_metadata"),
        "metatensor gives labels without names where no name is asked for; here that is "
        "refused.",
        _never,
        "all",
    ),
    Deviation(
        "other random numbers",
        _with_blocks("random_uniform_like"),
        "metatensor makes zeros of integers, and complex numbers without imaginary part; "
        "here integers are refused, and both parts are random.",
        _never,
        "nothing",
    ),
    Deviation(
        "one name",
        ("block_from_array",),
        "metatensor takes a string for a list of letters; here a string is one name.",
        _never,
        "all",
    ),
    Deviation(
        "a gradient named twice",
        _with_blocks("zeros_like", "ones_like", "empty_like", "random_uniform_like"),
        "metatensor fails where a gradient is named twice; here it is made once.",
        _never,
        "all",
    ),
]


_TRUTH = "gives a bool, or raises"
_NEW = "makes new numbers"
_BOTH = ("", "_block")

# Exported operations through which no explicit gradients go by the chain rule.
WITHOUT_GRADIENTS = {
    **{
        f"{name}{block}{ending}": _TRUTH
        for name in ("equal", "allclose", "equal_metadata")
        for block in _BOTH
        for ending in ("", "_raise")
    },
    **{f"is_contiguous{block}": _TRUTH for block in _BOTH},
    "checks_enabled": _TRUTH,
    "unsafe_disable_checks": "changes nothing: plans are checked once",
    "unsafe_enable_checks": "changes nothing: plans are checked once",
    **{
        f"requires_grad{block}": "refuses True: JAX differentiates functions"
        for block in _BOTH
    },
    **{f"unique_metadata{block}": "gives labels" for block in _BOTH},
    "one_hot": "gives an array of integers",
    "mask": "gives bools",
    "block_from_array": "labels an array, which has no gradients",
    **{
        f"{name}{block}": _NEW
        for name in ("zeros_like", "ones_like", "empty_like", "random_uniform_like")
        for block in _BOTH
    },
    **{f"remove_gradients{block}": "drops them" for block in _BOTH},
    **{f"detach{block}": "keeps them, and stops those of JAX" for block in _BOTH},
    "lstsq": "uses them up: they are rows of the system",
    "solve": "uses them up: they are rows of the system",
}
# Exported operations that do, and are tried with another one.
TRIED_WITH = {"split_by": "split", "split_by_block": "split_block"}
