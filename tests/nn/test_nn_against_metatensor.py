"""The same parameters give the same numbers as in metatensor-learn."""

from __future__ import annotations

import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nn.networks import IN_KEYS, RANDOM, perturbed, tensor_of

from jaxmeta import TensorMap, nn
from jaxmeta.nn import from_torch_state_dict, to_torch_state_dict


with warnings.catch_warnings():  # torch and metatensor-learn have some at import
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch")
    learn = pytest.importorskip("metatensor.learn").nn
    import metatensor as mts
    from metatensor_oracle import labels_there


THERE = labels_there(IN_KEYS)
DOUBLE = {"dtype": torch.float64}


def map_there(tensor: TensorMap) -> Any:
    blocks = [
        mts.TensorBlock(
            torch.from_numpy(np.array(block.values)),
            labels_there(block.samples),
            [labels_there(component) for component in block.components],
            labels_there(block.properties),
        )
        for block in tensor
    ]
    return mts.TensorMap(labels_there(tensor.keys), blocks)


def _sequential_there() -> Any:
    return learn.Sequential(
        THERE,
        learn.Linear(THERE, 4, 5, **DOUBLE),
        learn.LayerNorm(THERE, 5, **DOUBLE),
        learn.Tanh(THERE),
        learn.EquivariantLinear(THERE, 5, 2, **DOUBLE),
    )


def _sequential_here() -> nn.Sequential:
    return nn.Sequential(
        IN_KEYS,
        nn.Linear(IN_KEYS, 4, 5, key=RANDOM),
        nn.LayerNorm(IN_KEYS, 5),
        nn.Tanh(IN_KEYS),
        nn.EquivariantLinear(IN_KEYS, 5, 2, key=RANDOM),
    )


def _mlp_there() -> Any:
    steps = [
        learn.Linear(THERE, 4, 5, **DOUBLE),
        learn.SiLU(THERE),
        learn.Linear(THERE, 5, 2, **DOUBLE),
    ]
    return learn.Sequential(THERE, *steps)


def _torch_modules() -> list[Any]:
    return [
        torch.nn.Sequential(torch.nn.Linear(4, 4, **DOUBLE), torch.nn.Tanh())
        for _ in range(len(IN_KEYS))
    ]


def _equinox_modules() -> list[nn.EachComponent]:
    keys = jax.random.split(RANDOM, len(IN_KEYS))
    tanh = eqx.nn.Lambda(jnp.tanh)
    linear = [eqx.nn.Linear(4, 4, key=key) for key in keys]
    return [nn.EachComponent(eqx.nn.Sequential([one, tanh])) for one in linear]


PAIRS: dict[str, tuple[Any, Any]] = {
    "Linear": (
        lambda: learn.Linear(THERE, 4, 2, **DOUBLE),
        lambda: nn.Linear(IN_KEYS, 4, 2, key=RANDOM),
    ),
    "EquivariantLinear": (
        lambda: learn.EquivariantLinear(THERE, 4, 2, **DOUBLE),
        lambda: nn.EquivariantLinear(IN_KEYS, 4, 2, key=RANDOM),
    ),
    "LayerNorm": (
        lambda: learn.LayerNorm(THERE, 4, **DOUBLE),
        lambda: nn.LayerNorm(IN_KEYS, 4),
    ),
    "LayerNorm, not centred": (
        lambda: learn.LayerNorm(THERE, 4, mean=False, bias=False, eps=0.1, **DOUBLE),
        lambda: nn.LayerNorm(IN_KEYS, 4, mean=False, bias=False, eps=0.1),
    ),
    "InvariantLayerNorm": (
        lambda: learn.InvariantLayerNorm(THERE, [4], **DOUBLE),
        lambda: nn.InvariantLayerNorm(IN_KEYS, [4]),
    ),
    **{
        name: (
            lambda name=name: getattr(learn, name)(THERE),
            lambda name=name: getattr(nn, name)(IN_KEYS),
        )
        for activation in ("ReLU", "SiLU", "Tanh")
        for name in (activation, f"Invariant{activation}")
    },
    "Sequential": (_sequential_there, _sequential_here),
    "MLP": (_mlp_there, lambda: nn.MLP(IN_KEYS, 4, [5], 2, key=RANDOM)),
    "ModuleMap": (
        lambda: learn.ModuleMap(THERE, _torch_modules()),
        lambda: nn.ModuleMap(IN_KEYS, _equinox_modules()),
    ),
    "EquivariantTransformation": (
        lambda: learn.EquivariantTransformation(_torch_modules(), THERE, 4, 4),
        lambda: nn.EquivariantTransformation(_equinox_modules(), IN_KEYS, 4, 4),
    ),
}


def assert_same_results(here: Any, there: Any) -> None:
    tensor = tensor_of(gradients=())
    # Some modules there change what they are given.
    found, expected = here(tensor), there(map_there(tensor))
    assert found.keys.names == expected.keys.names
    for key, block in found.items():
        other = expected.block(dict(zip(key.names, key.values.tolist(), strict=True)))
        values = other.values.detach().numpy()
        np.testing.assert_allclose(block.values, values, rtol=1e-12, atol=1e-13)
        assert block.properties.names == other.properties.names
        np.testing.assert_array_equal(block.properties.values, other.properties.values)


@pytest.mark.parametrize("name", PAIRS)
def test_parameters_from_there(name: str) -> None:
    there, here = (make() for make in PAIRS[name])
    with torch.no_grad():
        for parameter in there.parameters():
            parameter.add_(torch.rand_like(parameter, generator=_generator()))
    module = from_torch_state_dict(here, there.state_dict())
    assert_same_results(module, there)
    if jax.tree.leaves(eqx.filter(here, eqx.is_array)):
        assert not eqx.tree_equal(module, here)


@pytest.mark.parametrize("name", PAIRS)
def test_parameters_to_there(name: str) -> None:
    there, here = (make() for make in PAIRS[name])
    module = perturbed(here)
    state = to_torch_state_dict(module)
    tensors = {key: torch.from_numpy(array) for key, array in state.items()}
    report = there.load_state_dict(tensors, strict=False)
    assert report.unexpected_keys == []
    notes = ("_mts_helper", "_extra_state")
    assert [key for key in report.missing_keys if not key.endswith(notes)] == []
    assert_same_results(module, there)


def test_parameters_are_copied() -> None:
    there, here = (make() for make in PAIRS["Linear"])
    module = from_torch_state_dict(here, there.state_dict())
    before = np.array(module.modules[0].weight)
    with torch.no_grad():
        there.module_map.module_list[0].weight.zero_()
    np.testing.assert_array_equal(module.modules[0].weight, before)
    # Parameters themselves, which torch would differentiate, are taken too.
    same = from_torch_state_dict(here, dict(there.named_parameters()))
    assert not np.any(same.modules[0].weight)


def test_parameters_in_half_precision() -> None:
    there = learn.Linear(THERE, 4, 2, dtype=torch.bfloat16)
    here = nn.Linear(IN_KEYS, 4, 2, dtype=jnp.bfloat16, key=RANDOM)
    module = from_torch_state_dict(here, there.state_dict())
    weight = there.module_map.module_list[1].weight.detach().float().numpy()
    assert module.modules[1].weight.dtype == jnp.bfloat16
    np.testing.assert_array_equal(module.modules[1].weight.astype("float32"), weight)


def test_keys_of_the_other_module_decide() -> None:
    backwards = mts.Labels(THERE.names, np.ascontiguousarray(np.array(THERE.values)[::-1]))
    there = learn.Linear(backwards, 4, 2, **DOUBLE)
    here = nn.Linear(IN_KEYS, 4, 2, key=RANDOM)
    assert_same_results(from_torch_state_dict(here, there.state_dict()), there)


def _generator() -> Any:
    return torch.Generator().manual_seed(0)
