"""Reading and writing `.mts` files: the format of metatensor, exactly."""

from jaxmeta.io import methods as methods
from jaxmeta.io.lazy import TensorFile as TensorFile
from jaxmeta.io.lazy import open as open
from jaxmeta.io.mts import load as load
from jaxmeta.io.mts import load_block as load_block
from jaxmeta.io.mts import load_block_buffer as load_block_buffer
from jaxmeta.io.mts import load_buffer as load_buffer
from jaxmeta.io.mts import load_labels as load_labels
from jaxmeta.io.mts import load_labels_buffer as load_labels_buffer
from jaxmeta.io.mts import save as save
from jaxmeta.io.mts import save_buffer as save_buffer
