"""A training step on several devices, and on several processes: run by the tests.

    python spread_out.py one                  # one device
    python spread_out.py auto                 # two devices, sharded arrays under jit
    python spread_out.py shards               # two devices, jax.shard_map
    python spread_out.py explicit             # the same, on a mesh of explicit axes
    python spread_out.py process 0 PORT       # the first of two processes

Each prints the losses of a few steps, one in a line.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any


HOW = sys.argv[1] if __name__ == "__main__" else "one"
if __name__ == "__main__":
    devices = {"one": 1, "process": 1}.get(HOW, 2)
    flags = os.environ.get("XLA_FLAGS", "")
    count = f"--xla_force_host_platform_device_count={devices}"
    os.environ["XLA_FLAGS"] = f"{flags} {count}"

import jax  # noqa: E402
import numpy as np  # noqa: E402
from jax.sharding import NamedSharding, PartitionSpec  # noqa: E402


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
if HOW == "process":
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"localhost:{sys.argv[3]}", 2, int(sys.argv[2]))

import equinox as eqx  # noqa: E402
from training.small_potential import batch_of, energies, network, reference  # noqa: E402

import jaxmeta as jm  # noqa: E402
import jaxmeta.datasets  # noqa: E402


ROOM = {"systems": 2, "atoms": 20, "pairs": 200}
PARTS, STEPS = 2, 4


def examples(step: int) -> tuple[Any, Any]:
    """The structures of a step, in as many parts as there are devices in all."""
    frames, targets = jm.datasets.load("ethylene_glycol")
    parts = []
    for part in range(PARTS):
        rows = [4 * step + 2 * part + i for i in range(2)]
        known = jm.sort(jm.slice(targets, "samples", rows), "samples")[0]
        energy = np.asarray(known.values)[:, 0] / 10
        batch = batch_of([frames[i] for i in rows], ROOM)
        forces, stress = np.zeros((20, 3)), np.full((2, 3, 3), np.nan)
        parts.append((batch, reference(batch, energy, forces, stress)))
    return jax.tree.map(lambda *arrays: np.stack(arrays), *parts)


def loss(model: Any, batch: Any, target: Any) -> Any:
    tensor = energies(model, batch, batch.positions, batch.strain)
    return jm.learn.mse(tensor, jm.remove_gradients(target))


def descended(arrays: Any, slopes: Any) -> Any:
    return jax.tree.map(lambda x, slope: x - 1e-3 * slope, arrays, slopes)


def main() -> None:
    arrays, static = eqx.partition(network(jax.random.key(0)), eqx.is_inexact_array)

    def of_part(arrays: Any, batch: Any, target: Any) -> Any:
        return loss(eqx.combine(arrays, static), batch, target)

    def of_parts(arrays: Any, batch: Any, target: Any) -> Any:
        return jax.vmap(partial(of_part, arrays))(batch, target).mean()

    types = jax.sharding.AxisType
    axis = types.Explicit if HOW == "explicit" else types.Auto
    mesh = jax.make_mesh((jax.device_count(),), ("parts",), axis_types=(axis,))
    jax.set_mesh(mesh)
    spread = NamedSharding(mesh, PartitionSpec("parts"))
    whole = NamedSharding(mesh, PartitionSpec())

    @partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec("parts"), PartitionSpec("parts")),
        out_specs=PartitionSpec(),
    )
    def of_shards(arrays: Any, batch: Any, target: Any) -> Any:
        own = jax.vmap(partial(of_part, arrays))(batch, target).mean()
        return jax.lax.pmean(own, "parts")

    # Under jit alone, JAX asks for the sharding of every look-up along explicit axes.
    chosen = of_shards if HOW in ("shards", "explicit") else of_parts

    @jax.jit
    def step(arrays: Any, batch: Any, target: Any) -> Any:
        value, slopes = jm.value_and_grad(chosen)(arrays, batch, target)
        return descended(arrays, slopes), value

    arrays = jax.tree.map(lambda x: put(x, whole), arrays)
    for number in range(STEPS):
        batch, target = jax.tree.map(lambda x: put(x, spread), examples(number))
        arrays, value = step(arrays, batch, target)
        print("loss", repr(float(np.asarray(value.addressable_data(0)))), flush=True)


def put(array: Any, sharding: Any) -> Any:
    """An array of which every process has the whole, on the devices that hold its parts."""
    host = np.asarray(array)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


if __name__ == "__main__":
    main()
