"""jaxmeta: labelled, block-sparse arrays for atomistic machine learning in JAX."""

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from jaxmeta import debug as debug
from jaxmeta.core import PADDING as PADDING
from jaxmeta.core import DynamicLabels as DynamicLabels
from jaxmeta.core import Labels as Labels
from jaxmeta.core import LabelsEntry as LabelsEntry
from jaxmeta.core import TensorBlock as TensorBlock
from jaxmeta.core import TensorMap as TensorMap
from jaxmeta.core import clear_caches as clear_caches
from jaxmeta.core import pad as pad
from jaxmeta.core import unpad as unpad
from jaxmeta.errors import CorruptFileError as CorruptFileError
from jaxmeta.errors import JaxmetaError as JaxmetaError
from jaxmeta.errors import MetatensorError as MetatensorError
from jaxmeta.errors import NotEqualError as NotEqualError
from jaxmeta.io import TensorFile as TensorFile
from jaxmeta.io import load as load
from jaxmeta.io import load_block as load_block
from jaxmeta.io import load_block_buffer as load_block_buffer
from jaxmeta.io import load_buffer as load_buffer
from jaxmeta.io import load_labels as load_labels
from jaxmeta.io import load_labels_buffer as load_labels_buffer
from jaxmeta.io import open as open
from jaxmeta.io import save as save
from jaxmeta.io import save_buffer as save_buffer
from jaxmeta.operations.block_selection import drop_blocks as drop_blocks
from jaxmeta.operations.block_selection import drop_empty_blocks as drop_empty_blocks
from jaxmeta.operations.block_selection import filter_blocks as filter_blocks
from jaxmeta.operations.checks import checks_enabled as checks_enabled
from jaxmeta.operations.checks import unsafe_disable_checks as unsafe_disable_checks
from jaxmeta.operations.checks import unsafe_enable_checks as unsafe_enable_checks
from jaxmeta.operations.compacting import compact as compact
from jaxmeta.operations.conversion import block_from_array as block_from_array
from jaxmeta.operations.conversion import one_hot as one_hot
from jaxmeta.operations.creation import empty_like as empty_like
from jaxmeta.operations.creation import empty_like_block as empty_like_block
from jaxmeta.operations.creation import ones_like as ones_like
from jaxmeta.operations.creation import ones_like_block as ones_like_block
from jaxmeta.operations.creation import random_uniform_like as random_uniform_like
from jaxmeta.operations.creation import (
    random_uniform_like_block as random_uniform_like_block,
)
from jaxmeta.operations.creation import zeros_like as zeros_like
from jaxmeta.operations.creation import zeros_like_block as zeros_like_block
from jaxmeta.operations.dimensions import append_dimension as append_dimension
from jaxmeta.operations.dimensions import insert_dimension as insert_dimension
from jaxmeta.operations.dimensions import permute_dimensions as permute_dimensions
from jaxmeta.operations.dimensions import remove_dimension as remove_dimension
from jaxmeta.operations.dimensions import rename_dimension as rename_dimension
from jaxmeta.operations.dimensions import update_dimension as update_dimension
from jaxmeta.operations.einsum import einsum as einsum
from jaxmeta.operations.elementwise import cos as cos
from jaxmeta.operations.elementwise import exp as exp
from jaxmeta.operations.elementwise import expm1 as expm1
from jaxmeta.operations.elementwise import log as log
from jaxmeta.operations.elementwise import log1p as log1p
from jaxmeta.operations.elementwise import sigmoid as sigmoid
from jaxmeta.operations.elementwise import silu as silu
from jaxmeta.operations.elementwise import sin as sin
from jaxmeta.operations.elementwise import softplus as softplus
from jaxmeta.operations.elementwise import sqrt as sqrt
from jaxmeta.operations.elementwise import square as square
from jaxmeta.operations.elementwise import tanh as tanh
from jaxmeta.operations.gradients import detach as detach
from jaxmeta.operations.gradients import detach_block as detach_block
from jaxmeta.operations.gradients import remove_gradients as remove_gradients
from jaxmeta.operations.gradients import remove_gradients_block as remove_gradients_block
from jaxmeta.operations.gradients import requires_grad as requires_grad
from jaxmeta.operations.gradients import requires_grad_block as requires_grad_block
from jaxmeta.operations.joining import join as join
from jaxmeta.operations.joining import join_blocks as join_blocks
from jaxmeta.operations.linear_algebra import lstsq as lstsq
from jaxmeta.operations.linear_algebra import solve as solve
from jaxmeta.operations.logic import allclose as allclose
from jaxmeta.operations.logic import allclose_block as allclose_block
from jaxmeta.operations.logic import allclose_block_raise as allclose_block_raise
from jaxmeta.operations.logic import allclose_raise as allclose_raise
from jaxmeta.operations.logic import equal as equal
from jaxmeta.operations.logic import equal_block as equal_block
from jaxmeta.operations.logic import equal_block_raise as equal_block_raise
from jaxmeta.operations.logic import equal_metadata as equal_metadata
from jaxmeta.operations.logic import equal_metadata_block as equal_metadata_block
from jaxmeta.operations.logic import (
    equal_metadata_block_raise as equal_metadata_block_raise,
)
from jaxmeta.operations.logic import equal_metadata_raise as equal_metadata_raise
from jaxmeta.operations.logic import equal_raise as equal_raise
from jaxmeta.operations.mapping import map_samples as map_samples
from jaxmeta.operations.masking import mask as mask
from jaxmeta.operations.masking import where as where
from jaxmeta.operations.math import abs as abs
from jaxmeta.operations.math import add as add
from jaxmeta.operations.math import divide as divide
from jaxmeta.operations.math import dot as dot
from jaxmeta.operations.math import multiply as multiply
from jaxmeta.operations.math import pow as pow
from jaxmeta.operations.math import subtract as subtract
from jaxmeta.operations.ordering import sort as sort
from jaxmeta.operations.ordering import sort_block as sort_block
from jaxmeta.operations.ordering import unique_metadata as unique_metadata
from jaxmeta.operations.ordering import unique_metadata_block as unique_metadata_block
from jaxmeta.operations.reductions import mean_over_samples as mean_over_samples
from jaxmeta.operations.reductions import mean_over_samples_block as mean_over_samples_block
from jaxmeta.operations.reductions import std_over_samples as std_over_samples
from jaxmeta.operations.reductions import std_over_samples_block as std_over_samples_block
from jaxmeta.operations.reductions import sum_over_samples as sum_over_samples
from jaxmeta.operations.reductions import sum_over_samples_block as sum_over_samples_block
from jaxmeta.operations.reductions import var_over_samples as var_over_samples
from jaxmeta.operations.reductions import var_over_samples_block as var_over_samples_block
from jaxmeta.operations.reductions_over_components import (
    mean_over_components as mean_over_components,
)
from jaxmeta.operations.reductions_over_components import (
    mean_over_components_block as mean_over_components_block,
)
from jaxmeta.operations.reductions_over_components import (
    norm_over_components as norm_over_components,
)
from jaxmeta.operations.reductions_over_components import (
    norm_over_components_block as norm_over_components_block,
)
from jaxmeta.operations.reductions_over_components import (
    sum_over_components as sum_over_components,
)
from jaxmeta.operations.reductions_over_components import (
    sum_over_components_block as sum_over_components_block,
)
from jaxmeta.operations.reductions_over_properties import (
    mean_over_properties as mean_over_properties,
)
from jaxmeta.operations.reductions_over_properties import (
    mean_over_properties_block as mean_over_properties_block,
)
from jaxmeta.operations.reductions_over_properties import (
    std_over_properties as std_over_properties,
)
from jaxmeta.operations.reductions_over_properties import (
    std_over_properties_block as std_over_properties_block,
)
from jaxmeta.operations.reductions_over_properties import (
    sum_over_properties as sum_over_properties,
)
from jaxmeta.operations.reductions_over_properties import (
    sum_over_properties_block as sum_over_properties_block,
)
from jaxmeta.operations.reductions_over_properties import (
    var_over_properties as var_over_properties,
)
from jaxmeta.operations.reductions_over_properties import (
    var_over_properties_block as var_over_properties_block,
)
from jaxmeta.operations.selection import slice as slice
from jaxmeta.operations.selection import slice_block as slice_block
from jaxmeta.operations.splitting import split as split
from jaxmeta.operations.splitting import split_block as split_block
from jaxmeta.operations.splitting import split_by as split_by
from jaxmeta.operations.splitting import split_by_block as split_by_block
from jaxmeta.operations.storage import is_contiguous as is_contiguous
from jaxmeta.operations.storage import is_contiguous_block as is_contiguous_block
from jaxmeta.operations.storage import make_contiguous as make_contiguous
from jaxmeta.operations.storage import make_contiguous_block as make_contiguous_block


if _TYPE_CHECKING:  # at run time imported by `__getattr__`
    from jaxmeta import atomistic as atomistic
    from jaxmeta import autodiff as autodiff
    from jaxmeta import data as data
    from jaxmeta import learn as learn
    from jaxmeta import nn as nn
    from jaxmeta import representations as representations
    from jaxmeta.autodiff import grad as grad
    from jaxmeta.autodiff import value_and_grad as value_and_grad

__version__ = _version("jaxmeta")

# Imported when they are first asked for: not every program learns.
_ROOMS = (
    "atomistic", "autodiff", "data", "learn", "nn", "potentials", "representations"
)  # fmt: skip
_OF_AUTODIFF = ("grad", "value_and_grad")


def __getattr__(name: str) -> _Any:
    if name in _ROOMS:
        return _import_module(f"jaxmeta.{name}")
    if name in _OF_AUTODIFF:
        return getattr(_import_module("jaxmeta.autodiff"), name)
    message = f"module 'jaxmeta' has no attribute {name!r}"
    raise AttributeError(message, name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_OF_AUTODIFF})
