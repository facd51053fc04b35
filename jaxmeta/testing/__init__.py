"""For tests of operations: the check of explicit gradients, and tensors to check with.

`jaxmeta.testing.strategies`, for hypothesis, is imported by itself: hypothesis is an
extra.
"""

from jaxmeta.testing.directions import Direction as Direction
from jaxmeta.testing.directions import dense_gradients as dense_gradients
from jaxmeta.testing.gradients import assert_exact_gradients as assert_exact_gradients
from jaxmeta.testing.recipes import Recipe as Recipe
from jaxmeta.testing.recipes import random_block as random_block
from jaxmeta.testing.recipes import random_map as random_map
from jaxmeta.testing.recipes import random_partner as random_partner
from jaxmeta.testing.rotations import random_rotations as random_rotations
from jaxmeta.testing.rotations import transform_cell as transform_cell
from jaxmeta.testing.rotations import transform_positions as transform_positions
from jaxmeta.testing.rotations import wigner_d as wigner_d
from jaxmeta.testing.rotations_of_maps import transform_tensor as transform_tensor
