"""Parameters by the names of torch and metatensor-learn, without either."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nn.networks import IN_KEYS, MODULES, RANDOM, module_of

import jaxmeta as jm
from jaxmeta import Labels, TensorMap, nn
from jaxmeta.errors import InvalidError, InvalidTypeError, MissingError, NotEqualError
from jaxmeta.nn import from_torch_state_dict, to_torch_state_dict


@pytest.mark.parametrize("name", MODULES)
def test_there_and_back(name: str) -> None:
    module = module_of(name)
    state = to_torch_state_dict(module)
    assert all(type(array) is np.ndarray for array in state.values())
    arrays = jax.tree.leaves(eqx.filter(module, eqx.is_array))
    assert len(state) == len(arrays)
    again = from_torch_state_dict(MODULES[name](np.dtype("float64")), state)
    assert eqx.tree_equal(again, module)


def test_names() -> None:
    assert list(to_torch_state_dict(module_of("Linear")))[:3] == [
        "module_map.module_list.0.weight",
        "module_map.module_list.0.bias",
        "module_map.module_list.1.weight",
    ]
    assert list(to_torch_state_dict(module_of("Sequential")))[:5] == [
        "module_map.module_list.0.0.weight",
        "module_map.module_list.0.0.bias",
        "module_map.module_list.0.1.weight",
        "module_map.module_list.0.1.bias",
        "module_map.module_list.0.3.weight",
    ]
    names = list(to_torch_state_dict(module_of("EquivariantTransformation")))
    assert names[0] == "module_map.module_list.0.0.weight"
    assert names[2] == "module_map.module_list.1.module.0.weight"


def test_modules_of_maps_within_others() -> None:
    class Model(eqx.Module):
        first: nn.Linear
        others: dict[str, Any]
        offsets: TensorMap
        scale: jax.Array
        count: int

        def __call__(self, tensor: TensorMap) -> TensorMap:
            return self.others["a"][0](self.first(tensor))

    keys = Labels.range("k", 1)
    linear = eqx.nn.Sequential([eqx.nn.Linear(2, 2, key=RANDOM), eqx.nn.Lambda(jnp.tanh)])
    block = jm.block_from_array(jnp.ones((1, 2)))
    model = Model(
        nn.Linear(keys, 3, 2, bias=False, key=RANDOM),
        {"a": [nn.ModuleMap(keys, [linear])]},
        TensorMap(keys, [block]),
        jnp.array(2.0),
        3,
    )
    state = to_torch_state_dict(model)
    assert [name for name in state if "offsets" not in name] == [
        "first.module_map.module_list.0.weight",
        "others.a.0.module_list.0.0.weight",
        "others.a.0.module_list.0.0.bias",
        "scale",
    ]
    assert eqx.tree_equal(from_torch_state_dict(model, state), model)


def stored_keys(labels: Labels) -> Any:
    """As metatensor-learn stores the keys of its modules."""
    return {"_in_keys": ("metatensor.Labels", bytes(jm.save_buffer(labels)), None)}


def test_parameters_go_to_their_keys() -> None:
    module = module_of("Linear")
    backwards = Labels(IN_KEYS.names, np.array(IN_KEYS.values)[::-1])
    other = nn.Linear(backwards, 4, 2, key=jax.random.key(9))
    state: dict[str, Any] = {**to_torch_state_dict(other), "_mts_helper": np.zeros(0)}
    state["module_map._extra_state"] = stored_keys(backwards)
    found = from_torch_state_dict(module, state)
    assert eqx.tree_equal(found.modules, other.modules[::-1])
    assert found.in_keys == IN_KEYS


def test_arrays_of_any_kind_are_copied() -> None:
    norm = nn.LayerNorm(Labels.single(), 2, bias=False)
    name = "module_map.module_list.0.weight"
    array = np.array([2.0, 3.0])
    found = from_torch_state_dict(norm, {name: array})
    array[:] = 0
    assert found.modules[0].weight.tolist() == [2.0, 3.0]
    assert isinstance(found.modules[0].weight, jax.Array)
    found = from_torch_state_dict(norm, {name: jnp.array([4.0, 5.0])})
    state = to_torch_state_dict(found)
    state[name][:] = 0
    assert found.modules[0].weight.tolist() == [4.0, 5.0]


def test_what_does_not_fit_is_refused() -> None:
    module = module_of("Linear")
    state = to_torch_state_dict(module)
    name = "module_map.module_list.1.bias"
    less = {key: array for key, array in state.items() if key != name}
    with pytest.raises(MissingError, match=f"there is no parameter '{name}'"):
        from_torch_state_dict(module, less)
    with pytest.raises(InvalidError, match=r"it has no 'other\.weight'"):
        from_torch_state_dict(module, {**state, "other.weight": state[name]})
    many = {f"w{i}": state[name] for i in range(8)}
    with pytest.raises(InvalidError, match="'w4', and 3 more"):
        from_torch_state_dict(module, {**state, **many})
    with pytest.raises(InvalidError, match=r"it is \(3,\), that of the module \(2,\)"):
        from_torch_state_dict(module, {**state, name: np.zeros(3)})
    with pytest.raises(InvalidTypeError, match="it is float32, that of the module float64"):
        from_torch_state_dict(module, {**state, name: np.zeros(2, "float32")})
    extra = "module_map._extra_state"
    keys = Labels(IN_KEYS.names, [[0, 1], [0, -1], [1, 1]])
    with pytest.raises(MissingError, match=r"has no key \(o3_lambda=2, o3_sigma=1\)"):
        from_torch_state_dict(module, {**state, extra: stored_keys(keys)})
    with pytest.raises(NotEqualError, match=r"in 'module_map._extra_state' \['k'\]"):
        from_torch_state_dict(module, {**state, extra: stored_keys(Labels.range("k", 4))})
