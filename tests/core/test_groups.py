"""Steps that are run in groups: when they are compiled, and that nothing else changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operations.test_plans_of_operations import compilations

import jaxmeta as jm
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.core.plans import _groups, _programs, _schedules
from jaxmeta.core.plans._programs import Program
from jaxmeta.core.plans._schedules import Instruction, Schedule


def compiled_by(program: Callable[[], Any]) -> int:
    """How many programs are compiled during a call."""
    with compilations() as found:
        jax.block_until_ready(jax.tree.leaves(program()))
    return len(found)


def blocks_of(rows: list[int], dtype: Any = np.float64, properties: int = 3) -> TensorMap:
    """A map with blocks of so many rows, without gradients."""
    rng = np.random.default_rng(0)
    n = Labels.range("n", properties)
    blocks = [
        TensorBlock(
            jnp.asarray(rng.uniform(1, 2, (count, properties)).astype(dtype)),
            Labels.range("s", count),
            [],
            n,
        )
        for count in rows
    ]
    return TensorMap(Labels.range("k", len(rows)), blocks)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups are compiled as soon as a plan is run for the second time."""
    monkeypatch.setattr(_groups, "RUNS_BEFORE_COMPILING", 0)
    monkeypatch.setattr(_schedules, "COMPILED_AT_ONCE", 1000)


# When -----------------------------------------------------------------------------------


def test_groups_are_compiled_when_equal_steps_have_run_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_groups, "RUNS_BEFORE_COMPILING", 7)
    tensor = blocks_of([5] * 40, properties=11)  # five groups of eight
    # A kernel; five runs; two more, then the group is compiled; no more.
    assert [compiled_by(lambda: tensor + tensor) for _ in range(5)] == [1, 0, 1, 0, 0]
    # Other labels of the same sizes find it.
    other = blocks_of([5] * 24, properties=11)
    assert [compiled_by(lambda: other + other) for _ in range(3)] == [0, 0, 0]


def test_one_group_is_compiled_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_groups, "RUNS_BEFORE_COMPILING", 2)
    tensor = blocks_of([3] * 8 + [4] * 8 + [5] * 8, properties=12)
    found = [compiled_by(lambda: tensor + tensor) for _ in range(8)]
    assert found == [3, 0, 0, 1, 1, 1, 0, 0]


def test_labels_that_come_once_compile_no_groups(eager: None) -> None:
    for count in (16, 24):
        tensor = blocks_of([2] * count, properties=13)
        assert compiled_by(lambda tensor=tensor: tensor * tensor) == (count == 16)


def test_large_arrays_are_not_grouped(eager: None) -> None:
    tensor = blocks_of([_schedules.LARGEST // 3 + 1] * 8)
    assert compiled_by(lambda: tensor - tensor) == 1
    assert [compiled_by(lambda: tensor - tensor) for _ in range(3)] == [0, 0, 0]


def test_groups_stay_below_the_limit_of_what_is_run_at_once() -> None:
    def parts(*rows: int) -> list[int]:
        group = _groups.Group()
        arrays = [jnp.ones((count, 2)) for count in rows]
        group.measure([(_groups.compiled(jnp.add), (x, x)) for x in arrays])
        return group.parts

    assert parts(*[2] * 8) == [8]
    assert parts(*[150] * 8) == [3, 3, 2]
    assert parts(*[260] * 3) == [1, 1, 1]
    assert parts(*[260] * 2, 10, 10, 10) == [1, 4]
    assert parts(10, 900, 10, 10) == [1, 1, 2]


def test_steps_of_a_group_in_several_parts(eager: None) -> None:
    tensor = blocks_of([100] * 9 + [7] * 2)
    expected = [np.asarray(block.values) * 2 for block in tensor]
    assert compiled_by(lambda: tensor + tensor) == 2
    for i in range(3):
        programs = compiled_by(lambda: tensor + tensor)
        # Three of 100 rows, two of them, one with both of 7 rows.
        assert programs == (3 if i == 0 else 0)
        for block, values in zip(tensor + tensor, expected, strict=True):
            np.testing.assert_array_equal(block.values, values)


def test_every_dtype_has_its_own_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_groups, "RUNS_BEFORE_COMPILING", 1)
    double = blocks_of([2] * 8, properties=14)
    single = double.to(dtype=np.float32)
    assert [compiled_by(lambda: double + double) for _ in range(4)] == [1, 0, 1, 0]
    assert [compiled_by(lambda: single + single) for _ in range(4)] == [1, 1, 0, 0]


# What -----------------------------------------------------------------------------------


def chunks(instructions: list[Instruction], shapes: list[tuple[int, ...]]) -> list[Any]:
    """The numbers of the steps that are run together."""
    steps = _schedules._steps(instructions, shapes, ())
    return [[step.number for step in chunk] for chunk in _schedules._chunks(steps)]


def test_equal_steps_come_first_and_the_rest_is_mixed() -> None:
    shapes = [(2, 3)] * 10 + [(4, 3)] * 9 + [(9000, 1), ()]
    add: list[Instruction] = [(jnp.add, (i, i), (), ()) for i in range(20)]
    scale: list[Instruction] = [(jnp.multiply, (i, 20), (), ()) for i in range(3)]
    constant: Instruction = (jnp.negative, (20,), (), ())
    keep: Instruction = (None, (0,), (), ())
    found = chunks([*add, keep, *scale, constant], shapes)
    assert found == [
        list(range(8)),
        list(range(10, 18)),
        [19],
        [24],
        [8, 9, 18, 21, 22, 23],
    ]


def test_static_arguments_of_other_types_are_other_kernels() -> None:
    kernels = {_groups.compiled(jnp.add, one) for one in (1, 1.0, True)}
    assert len(kernels) == 3
    assert _groups.compiled(jnp.add, 1) in kernels


def test_scalars_are_passed_once_and_arrays_are_not_shared() -> None:
    shapes: list[tuple[int, ...]] = [(2, 3), (2, 3), ()]
    instructions: list[Instruction] = [
        (jnp.multiply, (0, 2), (), ()),
        (jnp.multiply, (1, 2), (), ()),
        (jnp.add, (0, 1), (), ()),
    ]
    steps = list(_schedules._steps(instructions, shapes, ()))
    arguments, slots = _schedules._slots(steps)
    assert arguments == [0, 2, 1, 0, 1]
    assert slots == ((0, 1), (2, 1), (3, 4))


def test_results_are_in_the_order_of_the_plan(eager: None) -> None:
    rng = np.random.default_rng(1)
    leaves = [jnp.asarray(rng.normal(size=(1 + i % 3, 2))) for i in range(30)]
    index = (np.array([0, 0, 0], np.int32),)
    instructions: list[Instruction] = []
    for i in range(30):
        instructions.append((jnp.take, (i,), (0,), (0,)) if i % 7 else (None, (i,), (), ()))
        instructions.append((jnp.add, (i, i), (), ()))
    schedule = Schedule(instructions, [leaf.shape for leaf in leaves], index)
    for _ in range(3):
        found = schedule.run(leaves, index)
        assert len(found) == 60
        for i, leaf in enumerate(leaves):
            expected = np.asarray(leaf)[[0, 0, 0]] if i % 7 else leaf
            np.testing.assert_array_equal(found[2 * i], expected)
            np.testing.assert_array_equal(found[2 * i + 1], 2 * leaf)


NUMBERS = [
    (np.float32, 2.5),
    (np.float64, 2),
    (np.float32, True),
    (np.int32, -3),
    (np.complex64, 1 + 2j),
    (np.complex64, 0.5),
]


@pytest.mark.parametrize(("dtype", "number"), NUMBERS)
def test_numbers_stay_weak(eager: None, dtype: Any, number: Any) -> None:
    tensor = blocks_of([2] * 20, dtype)
    expected = [np.asarray(block.values) * np.asarray(number, dtype) for block in tensor]
    for _ in range(3):
        for block, values in zip(tensor * number, expected, strict=True):
            assert block.values.dtype == dtype
            assert not block.values.weak_type
            np.testing.assert_array_equal(block.values, values)


def test_host_arrays_are_taken_as_they_come(eager: None) -> None:
    tensor = blocks_of([2] * 9 + [3])
    host = tensor.to(arrays="numpy")
    for _ in range(3):
        assert host + host == tensor + tensor
        assert jm.slice(host, "samples", [1]) == jm.slice(tensor, "samples", [1])


def test_small_index_arrays_are_moved_late_and_large_ones_soon() -> None:
    take: Instruction = (jnp.take, (0,), (0,), (0,))
    leaves = [jnp.arange(6.0)]
    for size, calls in ((3, _programs._CALLS_BEFORE_MOVING), (5000, 1)):
        program = Program((take,), (np.zeros(size, np.int32),))
        program.fixed = True
        for i in range(calls + 2):
            (found,) = program.run(leaves)
            assert found.tolist() == [0.0] * size
            assert ("device_index" in vars(program)) == (i >= calls)


def test_open_shapes_are_run_one_by_one(eager: None) -> None:
    add: Instruction = (jnp.add, (0, 0), (), ())
    program = Program((add,) * 4, ())
    for size in (2, 3, 2, 4):
        leaves = [jnp.ones((size, 1))]
        assert [x.shape for x in program.run(leaves)] == [(size, 1)] * 4
    assert program._schedule is None


def test_blocks_on_several_devices() -> None:
    program = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
import jax.numpy as jnp
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.core.plans import _groups
_groups.RUNS_BEFORE_COMPILING = 0
devices = jax.devices()
s, n = Labels.range("s", 3), Labels.range("n", 2)
arrays = [jax.device_put(jnp.ones((3, 2)), devices[i % 2]) for i in range(4)]
blocks = [TensorBlock(array, s, [], n) for array in arrays]
tensor = TensorMap(Labels.range("k", 4), blocks)
for _ in range(3):
    doubled = 2 * tensor
    found = [block.values.devices() for block in doubled]
    assert found == [{devices[i % 2]} for i in range(4)]
    assert all((block.values == 2).all() for block in doubled)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
