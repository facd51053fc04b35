# %% [markdown]
# # Training
#
# A small potential that learns energies and forces: real data, a model with explicit
# gradients, a jitted step that is compiled once for batches of any size, a checkpoint.
# The page "Training" of the manual says more. It needs ase and optax.

# %%
import tempfile
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax

import jaxmeta as jm
import jaxmeta.datasets
from jaxmeta.autodiff import Parameter, with_gradients
from jaxmeta.data import Dataset, Loader, buckets


jax.config.update("jax_enable_x64", True)  # energies need double precision

# %% [markdown]
# ## Data
#
# 100 conformations of ethylene glycol, ten atoms each. Energies are those of all electrons;
# their mean is taken away. Forces are in the targets, as explicit gradients.

# %%
frames, targets = jaxmeta.datasets.load("ethylene_glycol")
few = jm.slice(targets, "samples", range(100))
few = few - float(few[0].values.mean())

entries = jm.split(few.to(arrays="numpy"), "samples", [[i] for i in range(100)])
dataset = Dataset(energy=entries, positions=[frame.positions for frame in frames[:100]])

# %% [markdown]
# The loader puts 16 molecules into a batch and pads it to one capacity: the samples are
# dynamic, and the last batch, of 4 molecules, has the shape of the others.

# %%
loader = Loader(dataset, 16, shuffle=True, seed=1, buckets=buckets(dataset, batch_size=16))
*_, last = loader
print(last.energy[0])
assert last.energy[0].shape == (16, 1)
assert int(last.energy[0].samples.mask.sum()) == 4

# %% [markdown]
# ## Model
#
# The descriptor: all distances $r$ in a molecule, as $1 / (1 + r^2)$, scaled to unit
# variance. On it a network, and its derivatives by the positions: minus the forces.

# %%
first, second = np.triu_indices(10, k=1)
pairs = jm.Labels(["first_atom", "second_atom"], np.stack([first, second], axis=1))
xyz = jm.Labels.range("xyz", 3)


def inverses(positions):
    of_molecules = positions.reshape(-1, 10, 3)
    vectors = of_molecules[:, first] - of_molecules[:, second]
    return 1 / (1 + (vectors**2).sum(axis=-1))


rows = np.concatenate([inverses(entry.positions) for entry in dataset])
center, scale = rows.mean(axis=0, keepdims=True), rows.std(axis=0, keepdims=True)


def predict(model, batch):
    systems = batch.energy[0].samples
    rows = batch.energy[0].gradient("positions").samples  # sample, system, atom
    atoms = jm.DynamicLabels(["system", "atom"], rows.values[:, 1:])

    def energies(positions):
        values = (inverses(positions) - center) / scale
        block = jm.TensorBlock(values, systems, [], pairs)
        return model(jm.TensorMap(jm.Labels.single(), [block]))

    positions = Parameter(batch.positions, atoms, [xyz], owner="system")
    return with_gradients(energies, {"positions": positions})


def network(seed):
    energy, key = few[0].properties, jax.random.key(seed)
    return jm.nn.MLP(jm.Labels.single(), 45, [32], out_properties=[energy], key=key)


# %% [markdown]
# ## The loop
#
# Values and gradients have weights of their own in the loss; padding does not count.

# %%
optimizer = optax.rmsprop(3e-3)
weights = {"values": 1.0, "positions": 0.1}
traces = []


@jax.jit
def step(model, state, batch):
    traces.append(batch.positions.shape)  # only when it is compiled

    def loss(model):
        return jm.learn.mse(predict(model, batch), batch.energy, weights)

    value, slopes = jm.value_and_grad(loss)(model)
    updates, state = optimizer.update(slopes, state)
    return optax.apply_updates(model, updates), state, value


def epoch(model, state, loader):
    losses = []
    for batch in loader:
        model, state, value = step(model, state, batch)
        losses.append(value)
    return model, state, float(np.mean(losses))


model = network(seed=0)
state = optimizer.init(model)
history = []
for number in range(1, 41):
    model, state, mean = epoch(model, state, loader)
    history.append(mean)
    if number % 10 == 0:
        print(f"epoch {number}: loss {mean:.4f}")

print(len(traces), "trace in", len(history) * len(loader), "steps")
assert len(traces) == 1
assert history[-1] < 0.2 * history[0]

# %% [markdown]
# ## Errors, and whether the forces are right
#
# `metrics` has the errors of energies and forces. Forces are the derivatives of the energy:
# here one of them is compared with a difference of energies.

# %%
compiled = jax.jit(predict)
found = compiled(model, last)
errors = jm.learn.metrics(found, last.energy)
for place, error in errors.items():
    print(place, error)


def energy_at(x):
    moved = last._replace(positions=last.positions.at[7, 2].set(x))
    return float(compiled(model, moved)[0].values[0, 0])


x, h = float(last.positions[7, 2]), 1e-4
slope = float(found[0].gradient("positions").values[7, 2, 0])
np.testing.assert_allclose((energy_at(x + h) - energy_at(x - h)) / (2 * h), slope, 1e-5)

# %% [markdown]
# ## Stop and go on
#
# The model, the state of the optimiser and the place of the loader make a checkpoint. A run
# that goes on from there gives the same numbers.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "run.eqx"
    eqx.tree_serialise_leaves(path, (model, state))
    place = loader.state()

    empty = network(seed=1)
    like = (empty, optimizer.init(empty))
    other, other_state = eqx.tree_deserialise_leaves(path, like)

again = Loader(dataset, 16, shuffle=True, seed=1, buckets=buckets(dataset, batch_size=16))
again.restore(place)
one, two = epoch(model, state, loader)[-1], epoch(other, other_state, again)[-1]
print(one, two)
assert one == two
assert len(traces) == 1
