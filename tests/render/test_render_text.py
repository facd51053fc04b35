"""The text displays, letter by letter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from facts_for_tests import CountingMap, block, dynamic, labels, with_positions
from hypothesis import assume, given
from hypothesis import strategies as st

from jaxmeta._render import text
from jaxmeta._render.facts import LabelFacts, MapFacts
from jaxmeta._render.words import width


TWO_BLOCKS = """\
TensorMap: 2 blocks, float32, 1.2 kB, gradients: positions
  o3_lambda  center_type | samples  components  properties
  0          1           |       3  –                    2   ∂positions 9
  1          8           |       3  o3_mu 3              2   ∂positions 9"""

ELIDED = """\
TensorMap: 1098 blocks, float32, 1.2 kB, gradients: positions
  k    | samples  components  properties
  0    |       3  –                    2   ∂positions 9
  1    |       3  –                    2   ∂positions 9
  ... 1095 more blocks
  1097 |       3  –                    2   ∂positions 9"""

NESTED = """\
TensorMap: 1 block, float64, gradients: positions, positions/strain
  _ | samples  components         properties
  0 |     ≤64  xyz_1 3 × xyz_2 3           1   ∂positions ≤128   ∂positions/strain 4
  info: unit, version"""

BLOCK = """\
TensorBlock: float32, shape (3, 3, 2), 720 B, gradients: positions
  samples     3  system, atom
  components  3  o3_mu
  properties  2  n
  ∂positions  9  sample, system, atom × xyz 3"""

SYMBOLIC = """\
TensorBlock: float32, shape (2*b, 3, 3, 1)
  samples     ≤2*b  system
  components     3  xyz_1
                 3  xyz_2
  properties     1  energy"""

LABELS = """\
Labels: 30 entries
    system  long_name
      0         0
      1         2
          ...
      28       56
      29       58"""

COUNTS = "| samples  components  properties"
COUNTS_1 = "|       3  –                    2"
WIDE = f"""\
TensorMap: 1 block, float32
  o3_lambda  o3_sigma  center_type  neighb…1_type  neighb…2_type {COUNTS}
  0          0         0            0              0             {COUNTS_1}"""


def two_blocks(index: int) -> object:
    return with_positions(*([labels("o3_mu", 3)] if index else []))


def test_a_map() -> None:
    values = np.array([[0, 1], [1, 8]], np.int32)
    keys = LabelFacts(("o3_lambda", "center_type"), 2, values)
    facts = MapFacts(keys, two_blocks, "float32", 1234, ["positions"])  # type: ignore
    assert text.tensor_map(facts) == TWO_BLOCKS


def test_a_long_map_shows_both_ends_and_reads_no_other_block() -> None:
    counting = CountingMap(labels("k", 1098), with_positions())
    assert text.tensor_map(counting.facts, 3) == ELIDED
    assert counting.asked == [0, 1, 1097]


def test_all_blocks_on_request() -> None:
    counting = CountingMap(labels("k", 50), with_positions())
    lines = text.tensor_map(counting.facts, -1).splitlines()
    assert len(lines) == 52
    assert counting.asked == list(range(50))


def test_one_hidden_block_is_singular() -> None:
    facts = CountingMap(labels("k", 5), with_positions()).facts
    assert "\n  ... 1 more block\n" in text.tensor_map(facts, 4)


def test_nested_gradients_dynamic_samples_and_info() -> None:
    energy, square = labels("energy", 1), (labels("xyz_1", 3), labels("xyz_2", 3))
    strain = block(labels("sample", 4), square, energy)
    positions = block(dynamic("sample atom", 128), square, energy, strain=strain)
    outer = block(dynamic("system", 64), square, energy, positions=positions)
    facts = MapFacts(
        labels("_", 1),
        lambda _: outer,
        "float64",
        None,
        ["positions", "positions/strain"],
        ["unit", "version"],
    )
    assert text.tensor_map(facts) == NESTED


def test_blocks_with_different_gradients_leave_gaps() -> None:
    strain = block(labels("sample", 2))
    blocks = [
        block(labels("s", 3), strain=strain),
        block(labels("s", 3)),
        block(labels("s", 3), positions=block(labels("sample", 12)), strain=strain),
    ]
    facts = MapFacts(labels("k", 3), blocks.__getitem__, "float32", 8)
    assert text.tensor_map(facts).splitlines()[2:] == [
        "  0 |       3  –                    2   ∂strain 2",
        "  1 |       3  –                    2",
        "  2 |       3  –                    2   ∂strain 2   ∂positions 12",
    ]


def test_an_empty_map() -> None:
    counting = CountingMap(labels("o3_lambda center_type", 0), with_positions())
    facts = replace(counting.facts, dtype=None, nbytes=0, gradients=[])
    assert text.tensor_map(facts) == "TensorMap: 0 blocks\n  keys: o3_lambda, center_type"
    assert counting.asked == []


def test_keys_of_no_dimensions() -> None:
    keys = LabelFacts((), 1, np.zeros((1, 0), np.int32))
    facts = MapFacts(keys, lambda _: block(labels("s", 3)), "float32", 24)
    assert text.tensor_map(facts) == (
        "TensorMap: 1 block, float32, 24 B\n"
        "  samples  components  properties\n"
        "        3  –                    2"
    )


def test_names_are_shortened_to_fit_but_stay_distinct() -> None:
    names = "o3_lambda o3_sigma center_type neighbor_1_type neighbor_2_type"
    facts = MapFacts(labels(names, 1), lambda _: block(labels("s", 3)), "float32", None)
    assert text.tensor_map(facts) == WIDE


def test_many_gradients_are_counted_in_the_title_and_cut_in_the_rows() -> None:
    gradient = block(labels("sample", 3))
    made = block(labels("s", 3), **{f"gradient_{i}": gradient for i in range(9)})
    names = [f"gradient_{i}" for i in range(9)]
    facts = MapFacts(labels("k", 1), lambda _: made, "float32", None, names)
    title, _, row = text.tensor_map(facts).splitlines()
    assert title.endswith("gradient_2, gradient_3, … 5 more")
    assert row.endswith("   …")
    assert width(row) <= 100


def test_line_breaks_and_controls_in_names_are_written_out() -> None:
    made = block(labels("s", 3), **{"a\nb\x1b[31m": block(labels("sample", 3))})
    facts = MapFacts(
        labels("k", 1), lambda _: made, "float32", None, ["a\nb\x1b[31m"], ["x\ty"]
    )
    lines = text.tensor_map(facts).splitlines()
    assert len(lines) == 4
    assert lines[0].endswith(r"gradients: a\nb\x1b[31m")
    assert lines[2].endswith(r"∂a\nb\x1b[31m 3")
    assert lines[3] == r"  info: x\ty"


def test_wide_characters_keep_the_columns_aligned() -> None:
    blocks = [block(labels("s", 3), 水=block(labels("sample", n))) for n in (5, 50)]
    blocks.append(block(labels("s", 3), (LabelFacts(("力e\u0301",), 3),)))
    facts = MapFacts(labels("k", 3), blocks.__getitem__, "float32", None)
    assert text.tensor_map(facts).splitlines()[2:] == [
        "  0 |       3  –                    2   ∂水  5",
        "  1 |       3  –                    2   ∂水 50",
        "  2 |       3  力e\u0301 3                2",
    ]


def test_a_block() -> None:
    assert text.block(with_positions(labels("o3_mu", 3))) == BLOCK


def test_a_block_of_symbolic_size() -> None:
    class Symbol:
        def __str__(self) -> str:
            return "2*b"

        def __int__(self) -> int:
            raise AssertionError

    samples, square = dynamic("system", Symbol()), (labels("xyz_1", 3), labels("xyz_2", 3))
    assert text.block(block(samples, square, labels("energy", 1))) == SYMBOLIC


def test_labels() -> None:
    assert text.labels_repr(labels("system long_name", 30), 4) == LABELS


def test_labels_repr_is_bounded() -> None:
    assert len(text.labels_repr(labels("system atom", 10**5)).splitlines()) == 23


def test_labels_without_rows_or_dimensions() -> None:
    no_dimensions = LabelFacts((), 0, np.zeros((0, 0), np.int32))
    assert text.labels_repr(labels("a b", 0)) == "Labels: 0 entries\n    a  b"
    assert text.labels_repr(no_dimensions) == "Labels: 0 entries"
    assert text.labels(no_dimensions) == ""
    assert text.labels(LabelFacts((), 1, np.zeros((1, 0), np.int32))) == "()"


def test_dynamic_labels_tell_their_capacity() -> None:
    facts = dynamic("system atom", 64)
    assert text.labels_repr(facts) == "DynamicLabels: ≤64 entries of system, atom"
    assert text.labels(facts, indent=2) == (
        " system  atom\n   ≤64 entries, values not shown"
    )
    assert "≤? entries" in text.labels_repr(dynamic("system", None))


def test_an_entry() -> None:
    assert text.entry(("a", "b"), [0, -1]) == "(a=0, b=-1)"
    assert text.entry((), []) == "()"


NAMES = st.lists(
    st.from_regex(r"[a-z_][a-z0-9_]{0,14}", fullmatch=True),
    min_size=1,
    max_size=5,
    unique=True,
)


@given(NAMES, st.integers(0, 12), st.integers(-1, 14), st.integers(0, 5), st.randoms())
def test_labels_print_as_metatensor_prints_them(
    names: list[str], rows: int, most: int, indent: int, random: object
) -> None:
    metatensor = pytest.importorskip("metatensor")
    seed = random.randrange(2**32)  # type: ignore[attr-defined]
    values = np.random.default_rng(seed).integers(-(10**6), 10**6, (rows, len(names)))
    values = (values // 10 ** (values[:, :1] % 6)).astype(np.int32)
    values = np.unique(values, axis=0)
    # metatensor puts dots between the only two rows, and shows the only one twice.
    assume(not 0 <= most < len(values) <= 2)
    theirs = metatensor.Labels(names, values).print(most, indent)
    ours = text.labels(LabelFacts(tuple(names), len(values), values), most, indent)
    assert ours == theirs


@given(
    st.lists(st.text(max_size=60), max_size=6, unique=True),
    st.lists(st.text(max_size=60), max_size=4, unique=True),
    st.integers(0, 12),
    st.integers(-1, 12),
)
def test_any_names_give_one_clean_line_per_block(
    names: list[str], gradients: list[str], rows: int, most: int
) -> None:
    keys = LabelFacts(tuple(names), rows, np.zeros((rows, len(names)), np.int32))
    gradient = block(labels("sample", 3))
    made = block(labels("s", 3), **dict.fromkeys(gradients, gradient))
    facts = MapFacts(keys, lambda _: made, "float32", 1, gradients)
    lines = text.tensor_map(facts, most).splitlines()
    count = rows if most < 0 else min(rows, max(most, 2))
    if rows:
        assert len(lines) == 2 + count + (count < rows)
    else:
        assert len(lines) == 1 + bool(names)
    for line in lines:
        assert line == line.rstrip()
        assert line.isprintable()
