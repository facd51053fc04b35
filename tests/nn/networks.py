"""One module of each kind, for maps with equivariant keys."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxmeta import Labels, TensorMap, nn
from jaxmeta.testing import Recipe, random_map


# In another order than those of the modules, which have one more.
KEYS = Labels(["o3_lambda", "o3_sigma"], [[1, 1], [0, 1], [0, -1]])
IN_KEYS = Labels(["o3_lambda", "o3_sigma"], [[0, 1], [2, 1], [0, -1], [1, 1]])
INVARIANT = [0]
RANDOM = jax.random.key(7)
Build = Callable[[Any], nn.ModuleMap]


def tensor_of(**fields: Any) -> TensorMap:
    """Three blocks; the components of all have as many entries."""
    given = {"rows": (4, 3, 2), "components": (3,), "properties": 4, **fields}
    return random_map(Recipe(**given), KEYS)


def perturbed(module: Any) -> Any:
    """The module with parameters none of which is special, as ones and zeros are."""
    arrays, rest = eqx.partition(module, eqx.is_array)
    leaves, tree = jax.tree.flatten(arrays)
    rng = np.random.default_rng(3)
    moved = [leaf + jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype) for leaf in leaves]
    return eqx.combine(jax.tree.unflatten(tree, moved), rest)


def _sequential(dtype: Any) -> nn.ModuleMap:
    first, last = jax.random.split(RANDOM)
    return nn.Sequential(
        IN_KEYS,
        nn.Linear(IN_KEYS, 4, 5, dtype=dtype, key=first),
        nn.LayerNorm(IN_KEYS, 5, dtype=dtype),
        nn.Tanh(IN_KEYS),
        nn.EquivariantLinear(IN_KEYS, 5, 2, dtype=dtype, key=last),
    )


def _foreign(dtype: Any) -> nn.ModuleMap:
    keys = jax.random.split(RANDOM, len(IN_KEYS))
    mlps = [eqx.nn.MLP(4, 2, 3, 1, jnp.tanh, dtype=dtype, key=key) for key in keys]
    return nn.ModuleMap(IN_KEYS, [nn.EachComponent(mlp) for mlp in mlps])


def _transformation(dtype: Any) -> nn.ModuleMap:
    keys = jax.random.split(RANDOM, len(IN_KEYS))
    linear = [eqx.nn.Linear(4, 4, dtype=dtype, key=key) for key in keys]
    modules = [nn.EachComponent(eqx.nn.Sequential([one, _TANH])) for one in linear]
    return nn.EquivariantTransformation(modules, IN_KEYS, 4)


_TANH = eqx.nn.Lambda(jnp.tanh)

MODULES: dict[str, Build] = {
    "Linear": lambda dtype: nn.Linear(IN_KEYS, 4, 2, dtype=dtype, key=RANDOM),
    "EquivariantLinear": lambda dtype: nn.EquivariantLinear(
        IN_KEYS, 4, 2, dtype=dtype, key=RANDOM
    ),
    "LayerNorm": lambda dtype: nn.LayerNorm(IN_KEYS, 4, dtype=dtype),
    "LayerNorm, not centred": lambda dtype: nn.LayerNorm(
        IN_KEYS, 4, mean=False, bias=False, eps=0.1, dtype=dtype
    ),
    "InvariantLayerNorm": lambda dtype: nn.InvariantLayerNorm(IN_KEYS, [4], dtype=dtype),
    "ReLU": lambda dtype: nn.ReLU(IN_KEYS),
    "InvariantReLU": lambda dtype: nn.InvariantReLU(IN_KEYS),
    "SiLU": lambda dtype: nn.SiLU(IN_KEYS),
    "InvariantSiLU": lambda dtype: nn.InvariantSiLU(IN_KEYS),
    "Tanh": lambda dtype: nn.Tanh(IN_KEYS),
    "InvariantTanh": lambda dtype: nn.InvariantTanh(IN_KEYS),
    "MLP": lambda dtype: nn.MLP(IN_KEYS, 4, [5, 3], 2, dtype=dtype, key=RANDOM),
    "Sequential": _sequential,
    "ModuleMap of equinox.nn": _foreign,
    "EquivariantTransformation": _transformation,
}


def module_of(name: str, dtype: Any = "float64") -> nn.ModuleMap:
    """One of the modules, with parameters of no special value."""
    return perturbed(MODULES[name](np.dtype(dtype)))


def jitted(module: nn.ModuleMap) -> Callable[[TensorMap], TensorMap]:
    """The module in one compiled program."""
    return functools.partial(eqx.filter_jit(lambda module, tensor: module(tensor)), module)


# The same in numpy, for the array of a block, from its parameters -----------------------


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _affine(layer: Any, x: np.ndarray) -> np.ndarray:
    bias = 0.0 if layer.bias is None else np.asarray(layer.bias)
    return np.einsum("...p,qp->...q", x, np.asarray(layer.weight)) + bias


def _normalised(layer: Any, x: np.ndarray, centred: bool = True) -> np.ndarray:
    axes = tuple(range(1, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    eps = 1e-5 if centred else 0.1
    result = (x - mean * centred) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    bias = 0.0 if layer.bias is None else np.asarray(layer.bias)
    return result * np.asarray(layer.weight) + bias


def _mlp(layer: Any, x: np.ndarray) -> np.ndarray:
    first, _, second, _, third = layer.layers
    for one in (first, second):
        x = _affine(one, x)
        x = x * _sigmoid(x)
    return _affine(third, x)


def _chain(layer: Any, x: np.ndarray) -> np.ndarray:
    first, norm, _, last = layer.layers
    return _affine(last, np.tanh(_normalised(norm, _affine(first, x))))


def _eqx_mlp(layer: Any, x: np.ndarray) -> np.ndarray:
    first, last = layer.module.layers
    return _affine(last, np.tanh(_affine(first, x)))


def _transformed(layer: Any, x: np.ndarray) -> np.ndarray:
    if type(layer.module).__name__ != "Covariant":
        return np.tanh(_affine(layer.module.module.layers[0], x))
    linear = layer.module.module.module.layers[0]
    axes = tuple(range(1, x.ndim - 1))
    norms = np.sqrt((x**2).sum(axis=axes, keepdims=True))
    return np.tanh(_affine(linear, norms)) * x


IN_NUMPY: dict[str, Callable[[Any, np.ndarray], np.ndarray]] = {
    "Linear": _affine,
    "EquivariantLinear": _affine,
    "LayerNorm": _normalised,
    "LayerNorm, not centred": lambda layer, x: _normalised(layer, x, centred=False),
    "InvariantLayerNorm": _normalised,
    "ReLU": lambda layer, x: np.maximum(x, 0),
    "InvariantReLU": lambda layer, x: np.maximum(x, 0),
    "SiLU": lambda layer, x: x * _sigmoid(x),
    "InvariantSiLU": lambda layer, x: x * _sigmoid(x),
    "Tanh": lambda layer, x: np.tanh(x),
    "InvariantTanh": lambda layer, x: np.tanh(x),
    "MLP": _mlp,
    "Sequential": _chain,
    "ModuleMap of equinox.nn": _eqx_mlp,
    "EquivariantTransformation": _transformed,
}


def in_numpy(name: str, module: nn.ModuleMap, key: Any, x: np.ndarray) -> np.ndarray:
    """What a module makes of the values of the block under a key."""
    position = module.in_keys.position(key)
    assert position is not None
    skipped = name.startswith("Invariant") and position not in INVARIANT
    return x if skipped else IN_NUMPY[name](module.modules[position], x)
