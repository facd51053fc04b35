"""What is refused, when a module is made and when it is called, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nn.networks import IN_KEYS, KEYS, RANDOM, module_of, tensor_of

import jaxmeta as jm
from jaxmeta import Labels, TensorMap, nn
from jaxmeta.errors import (
    DynamicSamplesError,
    InvalidError,
    InvalidTypeError,
    MissingError,
    NestedGradientsError,
    NotEqualError,
    PrecisionError,
)
from jaxmeta.testing import Recipe, random_map


# When a module is called ----------------------------------------------------------------


def test_a_key_that_the_module_does_not_have() -> None:
    linear = nn.Linear(Labels(KEYS.names, [[0, 1], [1, 1]]), 4, 2, key=RANDOM)
    with pytest.raises(MissingError) as caught:
        linear(tensor_of())
    assert str(caught.value) == (
        "Linear: there is no module for block (o3_lambda=0, o3_sigma=-1).\n"
        "  in_keys are (o3_lambda=0, o3_sigma=1), (o3_lambda=1, o3_sigma=1); "
        "did you mean (o3_lambda=0, o3_sigma=1)?\n"
        "  drop_blocks() or filter_blocks() first; or make the module with more in_keys, "
        "which need not all be there."
    )


def test_many_keys_are_not_all_shown() -> None:
    linear = nn.Linear(Labels.range("k", 9), 2, 2, key=RANDOM)
    tensor = random_map(Recipe(rows=(1,)), Labels("k", [[77]]))
    with pytest.raises(MissingError, match=r"\(k=4\), and 4 more"):
        linear(tensor)
    without = nn.ReLU(Labels.empty("k"))
    with pytest.raises(MissingError, match="in_keys are none"):
        without(tensor)


def test_keys_with_other_names() -> None:
    tensor = random_map(Recipe(rows=(1,)), Labels("o3_lambda", [[0]]))
    with pytest.raises(NotEqualError, match=r"Linear: .*\n.*\['o3_lambda'\], in_keys have"):
        module_of("Linear")(tensor)


def test_another_number_of_properties() -> None:
    with pytest.raises(InvalidError) as caught:
        module_of("Linear")(tensor_of(properties=(4, 4, 3)))
    assert str(caught.value) == (
        "Linear at block (o3_lambda=0, o3_sigma=-1): the module takes another number of "
        "properties.\n"
        "  there are 3, the module has in_features=4\n"
        "  in_features can be a list, with a number for each key of in_keys."
    )


@pytest.mark.parametrize(
    "name", ["EquivariantLinear", "LayerNorm", "MLP", "EquivariantTransformation"]
)
def test_another_number_of_properties_in_every_module(name: str) -> None:
    where = f"^{name} at block .o3_lambda=1, o3_sigma=1.*"
    with pytest.raises(InvalidError, match=where + r"\n.*in_features=4"):
        module_of(name)(tensor_of(properties=(1, 4, 4)))


def test_steps_that_do_not_fit_together() -> None:
    module = nn.Sequential(
        KEYS, nn.Linear(KEYS, 4, 3, key=RANDOM), nn.Linear(KEYS, 5, 2, key=RANDOM)
    )
    where = r"^Sequential at block \(o3_lambda=1, o3_sigma=1\), step 1 \(Linear\): .*\n"
    with pytest.raises(InvalidError, match=where + "  there are 3, .*in_features=5"):
        module(tensor_of())


@pytest.mark.parametrize("name", ["Linear", "LayerNorm"])
def test_another_dtype(name: str) -> None:
    where = rf"^{name} at block \(o3_lambda=1, o3_sigma=1\): the dtypes differ.\n"
    both = "  the values are float32, the parameters of the module float64"
    with pytest.raises(InvalidTypeError, match=where + both):
        module_of(name)(tensor_of(dtype="float32"))
    with pytest.raises(InvalidTypeError, match="the values are int32"):
        module_of(name)(tensor_of(numbers="whole", dtype="int32", gradients=()))


def test_results_that_do_not_fit() -> None:
    tensor = tensor_of(gradients=())
    where = r"^wrap: what the function gives for block \(o3_lambda=1, o3_sigma=1\) .*"
    with pytest.raises(InvalidError, match=where + r"\n.*gives shape \(4,\)"):
        nn.wrap(lambda x: x.sum(0))(tensor)
    with pytest.raises(InvalidError, match=where + r"\n.*gives shape \(\)"):
        nn.wrap(jnp.sum)(tensor)
    one = r"wrap: the function must give one array.\n  for a sample of block .* it gives"
    with pytest.raises(InvalidTypeError, match=one + " tuple"):
        nn.wrap(lambda x: (x, x))(tensor)
    with pytest.raises(InvalidTypeError, match=where + "another dtype"):
        nn.wrap(lambda x: x.astype(jnp.float32))(tensor)
    with pytest.raises(InvalidError, match=where + r"\n.*\n.*9 properties"):
        nn.wrap(jnp.tanh, Labels.range("n", 9))(tensor)


def test_what_modules_raise_says_for_which_block() -> None:
    linear = eqx.nn.Linear(3, 2, key=RANDOM)  # takes vectors, gets matrices
    with pytest.raises((TypeError, ValueError)) as caught:
        nn.wrap(linear)(tensor_of())
    note = (
        "wrap at block (o3_lambda=1, o3_sigma=1): raised by the module, for one sample, an "
        "array of shape (3, 4) and dtype float64"
    )
    assert note in caught.value.__notes__  # JAX has notes of its own


def test_transformations_refuse_what_does_not_keep_the_norms() -> None:
    lists = [eqx.nn.Linear(4, 2, key=RANDOM)] * len(IN_KEYS)
    module = nn.EquivariantTransformation(
        [nn.EachComponent(one) for one in lists], IN_KEYS, 4
    )
    with pytest.raises(InvalidError, match=r"norms of shape \(1, 4\) it makes \(1, 2\)"):
        module(tensor_of())
    tanh = nn.EquivariantTransformation([jnp.tanh] * 4, IN_KEYS, 4)
    with pytest.raises(InvalidError, match="must have components"):
        tanh(tensor_of(components=()))
    other = nn.EquivariantTransformation([jnp.tanh] * 4, IN_KEYS, 4, 5)
    with pytest.raises(InvalidError, match="it gives 4, out_features=5"):
        other(tensor_of())


def test_gradients_of_gradients_without_those_that_the_chain_rule_needs() -> None:
    tensor = tensor_of(gradients=("positions", "positions/strain"))
    with pytest.raises(NestedGradientsError, match=r"^Tanh: .*\n.* of block .o3_l"):
        module_of("Tanh")(tensor)


def test_gradients_of_gradients_of_dynamic_samples() -> None:
    gradients = ("positions", "strain", "positions/strain")
    room = {"samples": 5, "positions": 20, "strain": 20, "positions/strain": 90}
    tensor = jm.pad(tensor_of(gradients=gradients), room)
    with pytest.raises(DynamicSamplesError, match="Tanh: gradient 'strain' of gradient"):
        module_of("Tanh")(tensor)


@pytest.mark.usefixtures("wrong_types")
def test_what_is_no_map() -> None:
    with pytest.raises(
        InvalidTypeError, match=r"^Linear: the argument must be a TensorMap"
    ):
        module_of("Linear")(tensor_of()[0])  # type: ignore[arg-type]


# When a module is made ------------------------------------------------------------------

ONE = Labels(KEYS.names, [[0, 1]])
TWO = Labels("k", [[0], [1]])


def linear(**changed: Any) -> Any:
    given = {"in_keys": TWO, "in_features": 3, "out_features": 2, "key": RANDOM}
    return nn.Linear(**{**given, **changed})


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no Labels": (lambda: linear(in_keys=[1]), InvalidTypeError, "in_keys must be Labels"),
    "too many features": (
        lambda: linear(in_features=[3, 4, 5]),
        InvalidError,
        "Linear: a list of in_features .*\n.*3 entries and 2 keys",
    ),
    "negative": (lambda: linear(in_features=-1), InvalidTypeError, "found -1, a int"),
    "a bool as size": (lambda: linear(in_features=True), InvalidTypeError, "found True"),
    "a fraction": (lambda: linear(out_features=[1.5, 2]), InvalidTypeError, "found 1.5"),
    "a word": (lambda: linear(in_features="33"), InvalidTypeError, "found '33'"),
    "no size of the result": (
        lambda: linear(out_features=None),
        InvalidError,
        "out_features and out_properties are both None",
    ),
    "two sizes of the result": (
        lambda: linear(out_properties=Labels.range("n", 5)),
        InvalidError,
        r"out_features are \[2, 2\], the out_properties have \[5, 5\] entries",
    ),
    "other names of properties": (
        lambda: linear(out_properties=[Labels.range("n", 2), Labels.range("m", 2)]),
        InvalidError,
        r"found \['n'\] and \['m'\]",
    ),
    "too few properties": (
        lambda: linear(out_properties=[Labels.range("n", 2)]),
        InvalidError,
        "a list of out_properties .*\n.*1 entries and 2 keys",
    ),
    "properties of another type": (
        lambda: linear(out_properties="n"),
        InvalidTypeError,
        "out_properties must be Labels",
    ),
    "a number as bias": (lambda: linear(bias=1), InvalidTypeError, "True or False"),
    "no key": (lambda: linear(key=3), InvalidTypeError, "key must be one random key"),
    "integers": (lambda: linear(dtype="int32"), InvalidTypeError, "dtype is int32"),
    "no dtype": (lambda: linear(dtype="f77"), InvalidTypeError, "found 'f77'"),
    "eps": (
        lambda: nn.LayerNorm(TWO, 3, eps=-1.0),
        InvalidTypeError,
        "LayerNorm: eps must be a number, 0 or more",
    ),
    "not a number": (
        lambda: nn.LayerNorm(TWO, 3, eps=[0.1, float("nan")]),
        InvalidTypeError,
        "found nan",
    ),
    "invariant keys unknown": (
        lambda: nn.InvariantReLU(TWO),
        InvalidError,
        r"InvariantReLU: which keys .*\n.*\['k'\], invariant_keys \['o3_lambda'",
    ),
    "bias of keys that are not invariant": (
        lambda: nn.EquivariantLinear(IN_KEYS, 3, 2, bias=[True] * 4, key=RANDOM),
        InvalidError,
        "4 entries and 1 keys",
    ),
    "too few modules": (
        lambda: nn.ModuleMap(TWO, [jnp.tanh]),
        InvalidError,
        "there are 1 modules and 2 in_keys",
    ),
    "one module": (lambda: nn.ModuleMap(TWO, jnp.tanh), InvalidTypeError, "must be a list"),
    "no function": (
        lambda: nn.ModuleMap(TWO, [jnp.tanh, 3.0]),
        InvalidTypeError,
        "something that can be called.\n  found builtins.float",
    ),
    "modules of maps": (
        lambda: nn.ModuleMap(ONE, [nn.Tanh(ONE)]),
        InvalidTypeError,
        "found Tanh, a module of maps",
    ),
    "several without keys": (
        lambda: nn.wrap([jnp.tanh]),
        InvalidError,
        "several modules without in_keys",
    ),
    "one with keys": (
        lambda: nn.wrap(jnp.tanh, in_keys=TWO),
        InvalidError,
        "one module, and in_keys",
    ),
    "labels of several": (
        lambda: nn.wrap(jnp.tanh, [Labels.range("n", 2)]),
        InvalidTypeError,
        "wrap: out_properties must be Labels",
    ),
    "no steps": (lambda: nn.Sequential(TWO), InvalidError, "there must be a module"),
    "a shared step": (
        lambda: nn.Sequential(TWO, nn.wrap(jnp.tanh)),
        InvalidTypeError,
        "step 0 is no module with keys.\n  found Shared",
    ),
    "a step without a key": (
        lambda: nn.Sequential(KEYS, nn.Tanh(KEYS), nn.Tanh(ONE)),
        MissingError,
        r"Sequential, step 1 \(Tanh\): there is no module for block \(o3_lambda=1",
    ),
    "a step with other names": (
        lambda: nn.Sequential(TWO, nn.Tanh(ONE)),
        NotEqualError,
        r"Sequential, step 0 \(Tanh\)",
    ),
    "hidden sizes": (
        lambda: nn.MLP(TWO, 3, 8, 1, key=RANDOM),
        InvalidTypeError,
        r"hidden_features must be a list of sizes, as \[32, 32\]",
    ),
    "an activation that is a name": (
        lambda: nn.MLP(IN_KEYS, 3, [4], 1, activation="tanh", key=RANDOM),  # type: ignore[arg-type]
        InvalidTypeError,
        "MLP: a module must be something that can be called.*\n.*builtins.str",
    ),
    "an activation of maps": (
        lambda: nn.MLP(IN_KEYS, 3, [4], 1, activation=nn.Tanh(IN_KEYS), key=RANDOM),
        InvalidTypeError,
        "MLP: a module must be a function of one sample's array.*\n.*found Tanh",
    ),
    "parameters that have no names": (
        lambda: nn.from_torch_state_dict(nn.Tanh(IN_KEYS), [1.0]),  # type: ignore[arg-type]
        InvalidTypeError,
        "from_torch_state_dict: .* dictionary .*\n.*found list",
    ),
    "modules of a transformation": (
        lambda: nn.EquivariantTransformation([jnp.tanh], IN_KEYS, 3),
        InvalidError,
        "EquivariantTransformation: there must be one module for each key",
    ),
}


@pytest.mark.usefixtures("wrong_types")
@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name: str) -> None:
    make, error, message = BAD[name]
    with pytest.raises(error, match=message):
        make()


def test_without_x64() -> None:
    with jax.enable_x64(False):
        assert nn.LayerNorm(TWO, 3).modules[0].weight.dtype == np.float32
        assert linear().modules[0].weight.dtype == np.float32
        with pytest.raises(PrecisionError, match=r"^Linear: float64 values"):
            linear(dtype="float64")


def test_a_map_without_blocks_has_nothing_that_could_be_wrong() -> None:
    empty = TensorMap(Labels.empty(KEYS.names), [])
    assert len(module_of("Linear")(empty)) == 0


def test_a_step_that_gives_a_number_is_told_where_the_next_takes_properties() -> None:
    tensor = tensor_of()
    model = nn.MLP(IN_KEYS, 4, [3], 1, activation=jnp.sum, key=RANDOM)
    words = r"step 2 \(Linear\): the module takes .* properties\.\n.*none, .*in_features=3"
    with pytest.raises(InvalidError, match=words):
        model(tensor)
