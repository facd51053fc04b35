"""Neural networks on maps: modules of equinox with static labels and exact gradients.

Every module goes from maps to maps and treats each block by a function of one sample's
array. Explicit gradients follow by the chain rule. Parameters are leaves: a module can be
differentiated, stored and trained like any pytree of arrays; labels are static.
"""

from jaxmeta.nn._layers import EachComponent as EachComponent
from jaxmeta.nn.activations import InvariantReLU as InvariantReLU
from jaxmeta.nn.activations import InvariantSiLU as InvariantSiLU
from jaxmeta.nn.activations import InvariantTanh as InvariantTanh
from jaxmeta.nn.activations import ReLU as ReLU
from jaxmeta.nn.activations import SiLU as SiLU
from jaxmeta.nn.activations import Tanh as Tanh
from jaxmeta.nn.equivariant import EquivariantTransformation as EquivariantTransformation
from jaxmeta.nn.layer_norm import InvariantLayerNorm as InvariantLayerNorm
from jaxmeta.nn.layer_norm import LayerNorm as LayerNorm
from jaxmeta.nn.linear import EquivariantLinear as EquivariantLinear
from jaxmeta.nn.linear import Linear as Linear
from jaxmeta.nn.module_map import ModuleMap as ModuleMap
from jaxmeta.nn.module_map import wrap as wrap
from jaxmeta.nn.sequential import MLP as MLP
from jaxmeta.nn.sequential import Sequential as Sequential
from jaxmeta.nn.state_dicts import from_torch_state_dict as from_torch_state_dict
from jaxmeta.nn.state_dicts import to_torch_state_dict as to_torch_state_dict
