"""Batches of one shape: join and pad at once, in capacities that suit the data."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import charges_of, energy_of, structures

import jaxmeta as jm
from jaxmeta import PADDING, Labels, TensorBlock, TensorMap
from jaxmeta.data import Bucket, Dataset, buckets, collate, fill
from jaxmeta.errors import InvalidError, MissingError
from jaxmeta.testing.strategies import tensors


ROOM = {"samples": 9, "positions": 30, "positions/strain": 31, "strain": 10}


@pytest.mark.parametrize("sizes", [[3, 1, 0, 5], [1], [0], [0, 0], [2, 2]])
def test_it_is_join_and_pad(sizes: list[int], rng: np.random.Generator) -> None:
    dataset = structures(rng, sizes)
    batch = collate({"energy": ROOM, "positions": 40})(list(dataset))
    wanted = jm.pad(jm.join([s.energy for s in dataset], "samples"), ROOM)
    # Info is kept where all agree; arrays are those of JAX.
    assert batch.energy.info() == {"unit": "eV"}
    assert jm.equal(batch.energy, wanted)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(batch.energy))
    assert jm.unpad(batch.energy) == jm.join([s.energy for s in dataset], "samples")
    assert batch.positions.shape == (40, 3)
    together = np.concatenate([s.positions for s in dataset])
    assert np.array_equal(batch.positions[: sum(sizes)], together)
    assert not batch.positions[sum(sizes) :].any()
    assert batch.name == tuple(s.name for s in dataset)


def test_structures_are_renumbered(rng: np.random.Generator) -> None:
    dataset = structures(rng, [2, 0, 3], same_system=True)
    batch = collate({"energy": ROOM, "positions": 9}, renumber="system")(list(dataset))
    wanted = jm.join(_numbered(dataset), "samples")
    assert jm.unpad(batch.energy) == wanted
    with pytest.raises(ValueError, match="two structures have the same sample") as error:
        collate({"energy": ROOM, "positions": 9})(list(dataset))
    assert "(system=0)" in str(error.value)
    assert "renumber=" in str(error.value)


def _numbered(dataset: Dataset) -> list[TensorMap]:
    """The energies with the number of the structure as system, by hand."""
    found = []
    for number, sample in enumerate(dataset):
        block = sample.energy[0]
        forces = block.gradient("positions")
        rows = np.array(forces.samples.values)
        rows[:, 1] = number
        moved = TensorBlock(
            forces.values,
            Labels(forces.samples.names, rows),
            forces.components,
            forces.properties,
            dict(forces.gradients()),
        )
        gradients = dict(block.gradients()) | {"positions": moved}
        systems = Labels("system", [[number]])
        new = TensorBlock(block.values, systems, [], block.properties, gradients)
        found.append(TensorMap(sample.energy.keys, [new], sample.energy.info()))
    return found


def test_a_structure_is_one_structure(rng: np.random.Generator) -> None:
    both = jm.join([energy_of(rng, 2, 0), energy_of(rng, 1, 1)], "samples")
    with pytest.raises(ValueError, match="'system' has more than one value"):
        collate({"energy": ROOM}, renumber="system")(list(Dataset(energy=[both])))
    batch = collate({"energy": ROOM})(list(Dataset(energy=[both])))
    assert jm.unpad(batch.energy) == both


@given(st.lists(st.lists(st.sampled_from([1, 6, 8]), max_size=6), min_size=1, max_size=4))
def test_blocks_that_a_structure_lacks(types: list[list[int]]) -> None:
    rng = np.random.default_rng(0)
    maps = [charges_of(rng, kinds, i, bool(i % 2)) for i, kinds in enumerate(types)]
    batch = collate({"charges": 24})(list(Dataset(charges=maps)))
    wanted = jm.join(maps, "samples", different_keys="union")
    found = jm.unpad(batch.charges)
    assert jm.equal(jm.sort(found, "keys"), jm.sort(wanted, "keys"))


@settings(max_examples=8)
@given(
    tensors(
        order=2,
        rows=st.sampled_from([(3,), (2, 0), (1, 4)]),
        components=st.sampled_from([(), (3,)]),
        properties=2,
        sample_names=("system", "atom"),
        key_names=("center_type",),
    )
)
def test_any_map_in_parts(tensor: TensorMap) -> None:
    systems = {row[0] for block in tensor for row in block.samples.values.tolist()}
    parts = [
        jm.slice(tensor, "samples", Labels("system", [[system]]))
        for system in sorted(systems)
    ] or [tensor]
    batch = collate(buckets(Dataset(x=parts), len(parts)))(list(Dataset(x=parts)))
    # Info, which the parts have in common, is compared as well.
    assert jm.unpad(batch.x).info() == tensor.info()
    assert jm.unpad(batch.x) == jm.join(parts, "samples")


def test_one_program_for_all_batches(rng: np.random.Generator) -> None:
    types = [rng.choice([1, 6, 8], size=n).tolist() for n in rng.integers(1, 9, size=40)]
    maps = [charges_of(rng, kinds, i) for i, kinds in enumerate(types)]
    dataset = Dataset(charges=maps)
    rooms = buckets(dataset, 4, number=1)
    function = collate(rooms)
    traces: list[int] = []

    @jax.jit
    def total(charges: TensorMap) -> Any:
        traces.append(1)
        return sum(block.values.sum() for block in charges)

    for start in range(0, 40, 4):
        samples = [dataset[i] for i in range(start, start + 4)]
        wanted = sum(block.values.sum() for s in samples for block in s.charges)
        assert float(total(function(samples).charges)) == pytest.approx(wanted)
    assert len(traces) <= len(rooms) <= 2


# Capacities ------------------------------------------------------------------------------


def test_too_little_room_is_told(rng: np.random.Generator) -> None:
    dataset = structures(rng, [20, 13])
    with pytest.raises(ValueError, match="no room in the largest capacities") as error:
        collate({"energy": ROOM, "positions": 5})(list(dataset))
    words = (
        "'energy': 33 rows for 'positions' of block (_=0), the capacity is 30",
        "'energy': 33 rows for 'positions/strain' of block (_=0), the capacity is 31",
        "'positions': 33 rows for 'samples', the capacity is 5",
        'overflow="grow"',
    )
    assert [word for word in words if word not in str(error.value)] == []


def test_the_smallest_room_is_taken(rng: np.random.Generator) -> None:
    rooms = [{"energy": dict.fromkeys(ROOM, n), "positions": n} for n in (4, 8, 16)]
    function = collate(rooms)
    for atoms, room in ((4, 4), (5, 8), (8, 8), (9, 16)):
        batch = function(list(structures(rng, [atoms])))
        assert batch.energy[0].shape == (room, 1)
        assert batch.positions.shape == (room, 3)
    with pytest.raises(ValueError, match="17 rows for 'positions'"):
        function(list(structures(rng, [17])))


def test_room_grows_in_few_steps(rng: np.random.Generator) -> None:
    function = collate({"energy": dict.fromkeys(ROOM, 4), "positions": 4}, overflow="grow")
    shapes = set()
    for atoms in range(1, 65):
        (batch,) = [function(list(structures(rng, [atoms])))]
        rows = batch.energy[0].gradient("positions").shape[0]
        assert atoms <= rows <= max(4, 1.5 * atoms + 1)
        assert jm.unpad(batch.energy)[0].gradient("positions").shape[0] == atoms
        shapes.add(rows)
    assert len(shapes) <= 9


@pytest.mark.parametrize(
    ("capacities", "words"),
    [
        ({"positions": 9}, "no capacity for the field 'energy'"),
        ({"energy": 9}, "no capacity for 'positions'"),
        ({"energy": {**ROOM, "strain": [1, 2]}}, "2 capacities for 'strain'"),
    ],
)
def test_missing_capacities(capacities: Any, words: str, rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match=words):
        collate(capacities)(list(structures(rng, [2])))


@pytest.mark.parametrize(
    "capacities", [{}, [], 8, "8", {"energy": -1}, {"energy": 2.0}, [8]]
)
@pytest.mark.usefixtures("wrong_types")
def test_wrong_capacities(capacities: Any, rng: np.random.Generator) -> None:
    with pytest.raises((TypeError, ValueError), match="collate: "):
        collate(capacities)(list(Dataset(energy=[energy_of(rng, 1)])))


@pytest.mark.parametrize("room", [[1, 2], {"rows": 3}, {"samples": 3, "g": 1}])
def test_arrays_have_one_capacity(room: Any, rng: np.random.Generator) -> None:
    dataset = Dataset(x=[rng.normal(size=2)])
    with pytest.raises(InvalidError, match="'x': arrays have one capacity"):
        collate({"x": room})(list(dataset))


def test_a_field_that_buckets_did_not_know(rng: np.random.Generator) -> None:
    known = buckets(Dataset(energy=[energy_of(rng, 1)]), 1)
    more = Dataset(energy=[energy_of(rng, 1)], q=[charges_of(rng, [1])])
    with pytest.raises(MissingError, match="no capacity for the field 'q'"):
        collate(known)(list(more))


def test_one_number_for_each_block(rng: np.random.Generator) -> None:
    maps = [charges_of(rng, [1, 1, 8], i) for i in range(2)]
    batch = collate({"charges": [5, 2]})(list(Dataset(charges=maps)))
    assert [block.shape for block in batch.charges] == [(5, 2), (2, 2)]


def test_arrays_without_capacity_are_stacked(rng: np.random.Generator) -> None:
    dataset = Dataset(x=[np.float64(i) * np.ones(3) for i in range(4)], n=[1, 2, 3, 4])
    batch = collate({"nothing": 1})(list(dataset))
    assert isinstance(batch.x, jax.Array)
    assert batch.x.shape == (4, 3)
    assert batch.n == (1, 2, 3, 4)


@pytest.mark.parametrize("number", [None, 1, 2, 4])
@pytest.mark.parametrize("spread", ["same", "narrow", "wide"])
def test_buckets_fit_and_are_filled(
    spread: str, number: int | None, rng: np.random.Generator
) -> None:
    sizes = {
        "same": np.full(200, 9),
        "narrow": rng.integers(10, 30, size=200),
        "wide": np.exp(rng.uniform(1, 5, size=200)).astype(int),
    }[spread]
    dataset = Dataset(energy=[energy_of(rng, int(n), i) for i, n in enumerate(sizes)])
    rooms = buckets(dataset, 8, number)
    assert [room.size for room in rooms] == sorted({room.size for room in rooms})
    assert len(rooms) <= (number or 8) + 1
    function, shares = collate(rooms), []
    for epoch in range(3):
        order = np.random.default_rng(100 + epoch).permutation(200)
        for start in range(0, 200, 8):
            batch = function([dataset[int(i)] for i in order[start : start + 8]])
            shares.append(fill(batch))
    if number is None or spread == "same":
        assert np.mean(shares) > 0.8
    if spread == "same":
        assert shares == [1.0] * len(shares)
        assert len(rooms) == 1


def test_the_largest_structures_fit_into_one_batch(rng: np.random.Generator) -> None:
    dataset = structures(rng, [1] * 60 + [50, 60, 70])
    rooms = buckets(dataset, 3)
    batch = collate(rooms)([dataset[i] for i in (60, 61, 62)])
    assert batch.positions.shape[0] == 180
    # More than a batch does not.
    with pytest.raises(ValueError, match="no room"):
        collate(rooms)([dataset[i] for i in (0, 60, 61, 62)])


def test_more_buckets_waste_less(rng: np.random.Generator) -> None:
    sizes = np.exp(rng.uniform(1, 5, size=100)).astype(int)
    dataset = Dataset(x=[np.ones((int(n), 3)) for n in sizes])
    rows = []
    for number in (1, 2, 4):
        function = collate(buckets(dataset, 2, number))
        pairs = [[dataset[i], dataset[i + 1]] for i in range(0, 100, 2)]
        rows.append(sum(function(pair).x.shape[0] for pair in pairs))
    assert rows[0] > rows[1] > rows[2] >= sizes.sum()


def test_buckets_travel(rng: np.random.Generator) -> None:
    dataset = structures(rng, [1, 2, 3])
    function = collate(buckets(dataset, 2), renumber="system")
    again = pickle.loads(pickle.dumps(function))
    samples = [dataset[0], dataset[2]]
    assert jm.equal(again(samples).energy, function(samples).energy)
    assert all(isinstance(bucket, Bucket) for bucket in function.buckets)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), "batch_size is at least 1"),
        ((2, 0), "number is at least 1"),
        ((2, None, 1.0), "fill is between 0 and 1"),
    ],
)
def test_wrong_arguments_of_buckets(arguments: Any, words: str, rng: Any) -> None:
    size, number, share = (*arguments, None, 0.8)[:3] if len(arguments) < 3 else arguments
    with pytest.raises(ValueError, match=words):
        buckets(structures(rng, [1, 2]), size, number, fill=share or 0.8)


def test_data_sets_without_anything_to_count() -> None:
    with pytest.raises(ValueError, match="there are no structures"):
        buckets(Dataset(x=[]), 2)
    with pytest.raises(ValueError, match="no field of the data set holds maps or arrays"):
        buckets(Dataset(x=[1, 2]), 2)
    with pytest.raises(TypeError, match="buckets: a batch is a list of samples"):
        buckets([{"x": np.ones(2)}], 2)


# Structures that do not fit together -----------------------------------------------------


def test_structures_of_other_kinds(rng: np.random.Generator) -> None:
    energy = energy_of(rng, 2)
    others = {
        "gradients": jm.remove_gradients(energy, "strain"),
        "properties": jm.rename_dimension(energy, "properties", "energy", "n"),
        "keys": jm.rename_dimension(energy, "keys", "_", "k"),
        "sample names": jm.rename_dimension(energy, "samples", "system", "s"),
        "component": jm.rename_dimension(energy, "components", "xyz", "c"),
    }
    for what, other in others.items():
        dataset = Dataset(energy=[energy, other])
        with pytest.raises(jm.NotEqualError, match=what):
            collate({"energy": ROOM})(list(dataset))
        with pytest.raises(jm.NotEqualError, match=what):
            buckets(dataset, 1)
        known = collate(buckets(Dataset(energy=[energy]), 2))
        with pytest.raises(jm.NotEqualError, match=what):
            known([dataset[1]])


def test_a_block_that_no_structure_had(rng: np.random.Generator) -> None:
    water, methane = charges_of(rng, [1, 1, 8]), charges_of(rng, [6, 1], 1)
    function = collate(buckets(Dataset(q=[water]), 2))
    with pytest.raises(jm.NotEqualError, match=r"it is block \(center_type=6\)"):
        function(list(Dataset(q=[methane])))


def single(names: list[str], row: list[int]) -> TensorMap:
    """One number with one gradient row."""
    n, below = Labels.range("n", 1), Labels(["sample", "atom"], [[0, 3]])
    gradient = TensorBlock(np.ones((1, 1)), below, [], n)
    samples = Labels(names, np.array([row], np.int32).reshape(1, -1))
    block = TensorBlock(np.ones((1, 1)), samples, [], n, {"g": gradient})
    return TensorMap(Labels.single(), [block])


def test_samples_that_look_like_padding() -> None:
    odd = list(Dataset(x=[single(["system", "atom"], [PADDING] * 2)]))
    with pytest.raises(InvalidError, match="has the labels that mark padding"):
        collate({"x": {"samples": 2, "g": 2}})(odd)
    renumbered = collate({"x": {"samples": 2, "g": 2}}, renumber="system")(odd).x[0]
    assert jm.unpad(renumbered).samples.values.tolist() == [[0, PADDING]]
    with pytest.raises(InvalidError, match="have no dimension"):
        collate({"x": {"samples": 2, "g": 2}})(list(Dataset(x=[single([], [])])))


def test_structures_that_are_called_samples() -> None:
    """The ``sample`` of gradients refers to rows, and is no label to renumber."""
    batch = list(Dataset(x=[single(["sample"], [i]) for i in (7, 7, 9)]))
    block = collate({"x": {"samples": 3, "g": 3}}, renumber="sample")(batch).x[0]
    assert block.samples.values.tolist() == [[0], [1], [2]]
    assert block.gradient("g").samples.values.tolist() == [[0, 3], [1, 3], [2, 3]]


def test_other_dtypes_and_dynamic_samples(rng: np.random.Generator) -> None:
    wide, narrow = energy_of(rng, 2), energy_of(rng, 2, 1, "float32")
    with pytest.raises(TypeError, match="different dtypes"):
        collate({"energy": ROOM})(list(Dataset(energy=[wide, narrow])))
    with pytest.raises(NotImplementedError, match="unpad"):
        collate({"energy": ROOM})(list(Dataset(energy=[jm.pad(wide, ROOM)])))
    with pytest.raises(ValueError, match="there is no overflow 'drop'"):
        collate({"energy": ROOM}, overflow="drop")


def test_dtype_is_converted_on_purpose(rng: np.random.Generator) -> None:
    dataset = Dataset(energy=[energy_of(rng, 2)], n=[np.array([3])])
    batch = collate({"energy": ROOM}, dtype="float32")(list(dataset))
    assert batch.energy.dtype == np.float32
    assert batch.n.dtype == np.int64
    wanted = dataset[0].energy.to(dtype="float32")
    assert jm.unpad(batch.energy) == wanted


def test_arrays_of_jax_are_taken_too(rng: np.random.Generator) -> None:
    dataset = Dataset(energy=[energy_of(rng, 2).to(arrays="jax")])
    batch = collate({"energy": ROOM})(list(dataset))
    assert jm.unpad(batch.energy) == dataset[0].energy


WITHOUT_X64 = """
import warnings; warnings.simplefilter("error")
import jax, numpy as np
from jaxmeta import PADDING, Labels, TensorBlock, TensorMap
from jaxmeta.data import Dataset, Loader, buckets, collate
from jaxmeta.errors import PrecisionError
assert not jax.config.jax_enable_x64

block = TensorBlock(np.full((1, 1), 1 / 3), Labels.single(), [], Labels.single())
dataset = Dataset(energy=[TensorMap(Labels.single(), [block])])
rooms = buckets(dataset, 1)
for use in (collate(rooms), lambda samples: list(Loader(dataset, 1, buckets=rooms))):
    try:
        use(list(dataset))
    except PrecisionError as error:
        text = str(error)
        assert "float64" in text and "jax_enable_x64" in text and "energy" in text, text
        assert 'collate(..., dtype="float32")' in text, text
    else:
        raise AssertionError("not refused")
batch = collate(rooms, dtype="float32")(list(dataset))
assert batch.energy.dtype == "float32"
"""


def test_without_x64() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WITHOUT_X64)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
