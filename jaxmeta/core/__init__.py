"""The data: labels, blocks, maps. See README.md in this folder for the ideas."""

from jaxmeta.core._block import TensorBlock as TensorBlock
from jaxmeta.core._dynamic import PADDING as PADDING
from jaxmeta.core._dynamic import DynamicLabels as DynamicLabels
from jaxmeta.core._entry import LabelsEntry as LabelsEntry
from jaxmeta.core._labels import Labels as Labels
from jaxmeta.core._map import TensorMap as TensorMap
from jaxmeta.core._padding import pad as pad
from jaxmeta.core._padding import unpad as unpad
from jaxmeta.core._plans import clear_caches as clear_caches
