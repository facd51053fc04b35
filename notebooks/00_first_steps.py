# %% [markdown]
# # First steps
#
# A tour in a few minutes: real data as a labelled map, what its labels say, how it goes
# through JAX, and what explicit gradients are. Open this file as a notebook (jupytext, or
# any editor that knows `# %%` cells), or run it with Python.

# %%
import tempfile

import jax
import jax.numpy as jnp
import numpy as np

import jaxmeta as jm
import jaxmeta.datasets


jax.config.update("jax_enable_x64", True)  # energies need double precision

# %% [markdown]
# ## A map, its blocks, their labels
#
# `targets` holds the energies of 120 strained crystals of sodium chloride, with forces and
# virials as *explicit gradients*: blocks of their own inside the block of the energies.

# %%
frames, targets = jaxmeta.datasets.load("sodium_chloride")
print(targets)

# %%
energy = targets.block()
print(energy)

# %% [markdown]
# Every axis says what it means. Samples of `positions` begin with `sample`: the row of the
# values that the gradient row belongs to.

# %%
positions = energy.gradient("positions")
print(positions.samples.print(max_entries=6))
assert positions.shape == (120 * 32, 3, 1)

# The gradient with respect to positions is minus the force.
row = positions.samples.position((7, 7, 31))
forces = frames[7].get_forces()
np.testing.assert_allclose(-positions.values[row, :, 0], forces[31], atol=1e-12)

# %% [markdown]
# ## Through JAX
#
# A map is a pytree: arrays are its leaves, labels are static. Compiled functions take maps
# and give maps; equal labels made anywhere are one object, so nothing compiles twice.


# %%
@jax.jit
def per_cell(targets: jm.TensorMap) -> jm.TensorMap:
    shifted = targets + 32 * 63.5  # a constant changes the values, never the gradients
    return shifted / 32.0  # a factor changes both


scaled = per_cell(targets)
assert scaled.block().samples is energy.samples
np.testing.assert_allclose(
    scaled.block().gradient("positions").values, positions.values / 32
)


# %%
def loss(tensor: jm.TensorMap) -> jax.Array:
    squares = tensor * tensor
    return jnp.mean(squares.block().values)


# The derivative of a number with respect to a map is a map with the same labels.
slope = jax.grad(loss)(targets)
np.testing.assert_allclose(slope.block().values, 2 * energy.values / 120)

# %% [markdown]
# ## Explicit gradients stay exact
#
# The product rule, the chain rule and sums are applied to the gradient blocks as well. The
# square of the energy has the gradient `2 E dE/dx`:

# %%
square = (targets * targets).block()
expected = 2 * energy.values[positions.samples["sample"]][:, None, :] * positions.values
np.testing.assert_allclose(square.gradient("positions").values, expected, rtol=1e-12)

# %% [markdown]
# ## Selecting and reducing, by label
#
# Keep two systems; their gradient rows follow, and `sample` is renumbered.

# %%
two = jm.slice(targets, "samples", jm.Labels("system", [[3], [7]]))
print(two)
assert two.block().gradient("positions").samples["sample"].max() == 1

# Summing over systems leaves one row, and gradient rows for every atom of both.
both = jm.sum_over_samples(two, "system")
assert both.block().samples == jm.Labels.single()

# %% [markdown]
# ## Errors say what, where, and what to do

# %%
try:
    targets + two
except jm.NotEqualError as error:
    print(error)

# %% [markdown]
# ## Files
#
# `.mts` is the format of metatensor: what is saved here is read there, and the other way.

# %%
with tempfile.TemporaryDirectory() as folder:
    jm.save(f"{folder}/two.mts", two)
    assert jm.load(f"{folder}/two.mts") == two
