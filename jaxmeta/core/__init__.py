"""The data: labels, blocks, maps. See README.md in this folder for the ideas."""

from jaxmeta.core.blocks._block import TensorBlock as TensorBlock
from jaxmeta.core.blocks._map import TensorMap as TensorMap
from jaxmeta.core.blocks._padding import pad as pad
from jaxmeta.core.blocks._padding import unpad as unpad
from jaxmeta.core.labels._dynamic import PADDING as PADDING
from jaxmeta.core.labels._dynamic import DynamicLabels as DynamicLabels
from jaxmeta.core.labels._entry import LabelsEntry as LabelsEntry
from jaxmeta.core.labels._labels import Labels as Labels
from jaxmeta.core.plans._plans import clear_caches as clear_caches
