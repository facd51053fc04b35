"""jaxmeta: labelled, block-sparse arrays for atomistic machine learning in JAX."""

from importlib.metadata import version as _version

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
from jaxmeta.operations.gradients import remove_gradients as remove_gradients
from jaxmeta.operations.gradients import remove_gradients_block as remove_gradients_block
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
from jaxmeta.operations.math import add as add
from jaxmeta.operations.math import divide as divide
from jaxmeta.operations.math import dot as dot
from jaxmeta.operations.math import multiply as multiply
from jaxmeta.operations.math import subtract as subtract
from jaxmeta.operations.reductions import mean_over_samples as mean_over_samples
from jaxmeta.operations.reductions import mean_over_samples_block as mean_over_samples_block
from jaxmeta.operations.reductions import sum_over_samples as sum_over_samples
from jaxmeta.operations.reductions import sum_over_samples_block as sum_over_samples_block
from jaxmeta.operations.selection import slice as slice
from jaxmeta.operations.selection import slice_block as slice_block


__version__ = _version("jaxmeta")
