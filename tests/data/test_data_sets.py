"""Data sets hold what those of metatensor-learn hold, and refuse what these refuse."""

from __future__ import annotations

import copy
import pickle
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from structures import charges_of, energy_of, structures

import jaxmeta as jm
from jaxmeta.data import Dataset, IndexedDataset, group, group_and_join


@pytest.fixture(scope="module")
def learn() -> ModuleType:
    pytest.importorskip("torch")
    return pytest.importorskip("metatensor.learn")


def _double(entry: Any) -> Any:
    return entry * 2


GOOD: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Dataset", (), {"a": [1, 2, 3]}),
    ("Dataset", (), {"a": [1, 2, 3], "b": ["x", "y", "z"], "double": _double}),
    ("Dataset", (3,), {"double": _double}),
    ("Dataset", (2,), {"a": [1, 2]}),
    ("Dataset", (), {"a": []}),
    ("Dataset", (), {"a": [True, 1]}),
    ("Dataset", (0,), {}),
    ("IndexedDataset", (["x", "y"],), {"a": [1, 2], "double": _double}),
    ("IndexedDataset", ([1, "y", (2, 3)],), {"a": [1, 2, 3]}),
    ("IndexedDataset", ([],), {}),
]
BAD: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("Dataset", (), {"a": [1, "2"]}, "entry 0 is a int, entry 1 a str"),
    ("Dataset", (), {"a": [1, True]}, "different types"),
    ("Dataset", (), {"a": [1], "b": [1, 2]}, "'a' 1, 'b' 2"),
    ("Dataset", (2,), {"a": [1]}, "'size' 2, 'a' 1"),
    ("Dataset", (), {"a": _double}, "give size="),
    ("Dataset", (), {"a": (1, 2)}, "must be a list or a function"),
    ("Dataset", (), {"a": np.ones(3)}, "must be a list or a function"),
    ("Dataset", (), {"sample_id": [1]}, "use IndexedDataset"),
    ("IndexedDataset", (["x", "x"],), {"a": [1, 2]}, "entries 0 and 1 are 'x'"),
    ("IndexedDataset", (["x"],), {"a": [1, 2]}, "'sample_id' 1, 'a' 2"),
    ("IndexedDataset", (["x"],), {"size": [1]}, "can not be named 'size'"),
    ("IndexedDataset", ([[1]],), {"a": [1]}, "can not be hashed"),
]


@pytest.mark.parametrize(("kind", "arguments", "fields"), GOOD)
def test_the_same_entries(
    learn: ModuleType, kind: str, arguments: Any, fields: dict[str, Any]
) -> None:
    ours = getattr(jm.data, kind)(*arguments, **fields)
    theirs = getattr(learn, kind)(*arguments, **fields)
    assert len(ours) == len(theirs)
    for here, there in zip(ours, theirs, strict=True):
        assert repr(here) == repr(there)
        assert here == there
        assert here._asdict() == there._asdict()
        assert here._fields == there._fields
    # A dictionary says the same.
    key = {"size": arguments[0]} if arguments else {}
    key = {"sample_id": arguments[0]} if kind == "IndexedDataset" else key
    assert list(getattr(jm.data, kind).from_dict(fields, **key)) == list(ours)


@pytest.mark.parametrize(("kind", "arguments", "fields", "words"), BAD)
@pytest.mark.usefixtures("wrong_types")
def test_the_same_is_refused(
    learn: ModuleType, kind: str, arguments: Any, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises((ValueError, TypeError)):
        getattr(learn, kind)(*arguments, **fields)
    with pytest.raises(jm.JaxmetaError, match=f"^{kind}: ") as error:
        getattr(jm.data, kind)(*arguments, **fields)
    assert words in str(error.value)


def test_any_name(learn: ModuleType) -> None:
    fields = {"valid": [0], "with space": [-1], "with/slash": ["a"], "class": [2], "_": [3]}
    ours, theirs = Dataset.from_dict(fields)[0], learn.Dataset.from_dict(fields)[0]
    assert repr(ours) == repr(theirs)
    for name in fields:
        assert ours[name] == theirs[name] == fields[name][0]
    assert ours.valid == ours[0] == 0
    with pytest.raises(KeyError, match="did you mean 'valid'"):
        ours["vallid"]


def test_entries_are_named_tuples_that_travel() -> None:
    sample = Dataset.from_dict({"a": [1.0], "mtt::b": [2.0], "count": [3.0]})[0]
    again = pickle.loads(pickle.dumps(sample))
    assert (again, type(again)) == (sample, type(sample))
    assert type(sample)._make((4.0, 5.0, 6.0)).a == 4.0
    assert sample._replace(a=0.0) == (0.0, 2.0, 3.0)
    assert sample.count == 3.0
    assert jax.tree.map(lambda x: -x, sample) == (-1.0, -2.0, -3.0)
    with pytest.raises(KeyError, match="no field 'c'"):
        sample._replace(c=0.0)
    with pytest.raises(ValueError, match="one value for each field"):
        type(sample)(1.0)


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset.from_dict({"a": [1.0], "mtt::b": [2.0]}),
        Dataset(size=1, a=str),
        IndexedDataset(["x"], a=str.upper),
    ],
)
def test_data_sets_travel(dataset: Any) -> None:
    """To the processes of a pipeline, for instance."""
    for again in (pickle.loads(pickle.dumps(dataset)), copy.deepcopy(dataset)):
        assert (len(again), repr(again)) == (1, repr(dataset))
        assert again[0] == dataset[0]
        assert type(again[0]) is type(dataset[0])
    assert dataset[0][-1] in (2.0, "0", "X")


def test_functions_are_called_when_entries_are_asked_for() -> None:
    asked: list[Any] = []
    dataset = IndexedDataset(["a", "b"], read=lambda name: asked.append(name))
    assert asked == []
    dataset[1]
    dataset.get_sample("a")
    assert asked == ["b", "a"]


@pytest.mark.parametrize("index", [-1, 2, 10**20])
def test_entries_that_are_not_there(learn: ModuleType, index: int) -> None:
    with pytest.raises(ValueError, match="not in dataset"):
        learn.Dataset(a=[1, 2])[index]
    with pytest.raises(IndexError, match="there are 2 entries"):
        Dataset(a=[1, 2])[index]


@pytest.mark.usefixtures("wrong_types")
def test_other_mistakes() -> None:
    with pytest.raises(TypeError, match="an index must be an integer"):
        Dataset(a=[1])[0.0]  # type: ignore[call-overload]
    with pytest.raises(KeyError, match="no entry named 'c'"):
        IndexedDataset(["a"], x=[1]).get_sample("c")
    with pytest.raises(KeyError, match=r"no entry named \[1\]"):
        IndexedDataset(["a"], x=[1]).get_sample([1])
    with pytest.raises(ValueError, match="size is not negative"):
        Dataset(-1, a=_double)
    with pytest.raises(TypeError, match="sample_id must be a list"):
        IndexedDataset("ab", x=[1, 2])  # type: ignore[arg-type]


def test_a_function_that_fails_is_named() -> None:
    def fail(index: int) -> None:
        message = "no such file"
        raise OSError(message)

    with pytest.raises(ValueError, match="the function of the field 'f' failed") as error:
        Dataset(3, f=fail)[2]
    assert "asked for 2 and raised OSError: no such file" in str(error.value)
    assert isinstance(error.value.__cause__, OSError)


# Batches ---------------------------------------------------------------------------------


def test_grouping(learn: ModuleType) -> None:
    fields = {"a": [1, 2], "with space": ["x", "y"]}
    ours = group(list(Dataset.from_dict(fields)))
    theirs = learn.data.group(list(learn.Dataset.from_dict(fields)))
    assert repr(ours) == repr(theirs)
    assert ours == theirs


def test_joining_is_join(rng: np.random.Generator) -> None:
    dataset = structures(rng, [2, 0, 3])
    batch = group_and_join(list(dataset))
    assert batch.energy == jm.join([s.energy for s in dataset], "samples")
    assert batch.name == ("structure 0", "structure 1", "structure 2")
    assert np.array_equal(batch.positions, np.concatenate([s.positions for s in dataset]))
    assert group_and_join(list(dataset), ["positions"]).energy[1] is dataset[1].energy
    assert group_and_join(list(dataset), ["nothing"]).positions[0] is dataset[0].positions


def test_joining_is_that_of_metatensor(learn: ModuleType, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    from jaxmeta.interop.metatensor import from_metatensor, to_metatensor

    maps = [charges_of(rng, types, i) for i, types in enumerate([[1, 8, 1], [1, 8], [1]])]
    bare = [jm.filter_blocks(one, jm.Labels("center_type", [[1]])) for one in maps]
    arrays = [np.arange(3.0) + i for i in range(3)]
    ours = IndexedDataset(["a", "b", "c"], q=bare, x=arrays)
    theirs = learn.IndexedDataset(
        ["a", "b", "c"],
        q=[to_metatensor(one) for one in bare],
        x=[torch.tensor(array) for array in arrays],
    )
    here, there = group_and_join(list(ours)), learn.data.group_and_join(list(theirs))
    assert here.q == from_metatensor(there.q, "numpy")
    assert np.array_equal(here.x, there.x.numpy())
    assert here.sample_id == there.sample_id
    union = {"different_keys": "union"}
    here = group_and_join(list(Dataset(q=maps)), join_kwargs=union)
    there = learn.data.group_and_join(
        list(learn.Dataset(q=[to_metatensor(one) for one in maps])), join_kwargs=union
    )
    assert here.q == from_metatensor(there.q, "numpy")


def test_arrays_of_jax_stay_arrays_of_jax() -> None:
    batch = group_and_join(list(Dataset(x=[jnp.ones(2), jnp.zeros(2)])))
    assert isinstance(batch.x, jax.Array)
    assert batch.x.shape == (2, 2)


@pytest.mark.parametrize(
    "arrays", [[np.ones(2), np.ones(3)], [np.ones(2), np.ones(2, int)]]
)
def test_arrays_that_do_not_fit(arrays: list[Any]) -> None:
    with pytest.raises(ValueError, match="arrays of the field 'x' do not fit"):
        group_and_join(list(Dataset(x=arrays)))


@pytest.mark.parametrize("function", [group, group_and_join])
@pytest.mark.usefixtures("wrong_types")
def test_what_is_no_batch(function: Any) -> None:
    sample, other = Dataset(a=[1])[0], Dataset(b=[1])[0]
    with pytest.raises(ValueError, match="no sample in the batch"):
        function([])
    with pytest.raises(ValueError, match="different fields"):
        function([sample, other])
    for wrong in (sample, [1, 2], 3, None):
        with pytest.raises(TypeError, match="a batch is a list of samples"):
            function(wrong)


def test_samples_with_the_same_labels_are_refused(rng: np.random.Generator) -> None:
    dataset = Dataset(energy=[energy_of(rng, 2), energy_of(rng, 3)])
    with pytest.raises(ValueError, match="add_dimension"):
        group_and_join(list(dataset))
    joined = group_and_join(list(dataset), join_kwargs={"add_dimension": "part"})
    assert joined.energy.sample_names == ["system", "part"]
