"""The trees that treescope draws; without it, what is said."""

from __future__ import annotations

import html
import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
from facts_for_tests import CountingMap, dynamic, labels, with_positions

from jaxmeta._render import tree
from jaxmeta.errors import MissingExtraError


class Shown:
    """An object with treescope's method, as the classes of jaxmeta have it."""

    def __init__(self, build: Callable[[str | None], Any]) -> None:
        self.build = build

    def __treescope_repr__(self, path: str | None, subtree_renderer: Any) -> Any:
        return self.build(path)


def render(build: Callable[[str | None], Any]) -> str:
    treescope = pytest.importorskip("treescope")
    with treescope.using_expansion_strategy(max_height=None, target_width=1):
        return treescope.render_to_text(Shown(build))


BLOCK = """\
TensorBlock(float32, shape (3, 3, 2), 288 B, gradients: positions
  samples: 3 system, atom
     system  atom
       0      0
       1      2
       2      4
  component: 3 o3_mu
     o3_mu
       0
       1
       2
  properties: 2 n
     n
     0
     1
  ∂positions: float32, shape (3, 3, 3, 2), 216 B
    samples: 3 sample, system, atom
       sample  system  atom
         0       0      0
         1       2      3
         2       4      6
    component: 3 xyz
       xyz
        0
        1
        2
)"""


def test_a_block() -> None:
    made = with_positions(labels("o3_mu", 3), rows=3)
    assert render(lambda path: tree.block(made, path)) == BLOCK


def test_a_map_reads_and_shows_twenty_blocks() -> None:
    counting = CountingMap(labels("o3_lambda center_type", 1000), with_positions())
    lines = render(lambda path: tree.tensor_map(counting.facts, path)).splitlines()
    assert lines[0] == "TensorMap(1000 blocks, float32, 1.2 kB, gradients: positions"
    blocks = [line for line in lines if line.startswith("  (")]
    assert len(blocks) == 20
    assert blocks[1].startswith("  (o3_lambda=1, center_type=2): float32, shape (3, 2), ")
    assert [line.strip() for line in lines[-2:]] == ["… 980 more", ")"]
    assert set(counting.asked) == set(range(20))


LABELS = """\
Labels: 3 entries
   a
   0
   1
   2"""


def test_labels() -> None:
    assert render(lambda path: tree.labels(labels("a", 3), path)) == LABELS
    shown = render(lambda path: tree.labels(dynamic("system", 64), path))
    assert shown.startswith("DynamicLabels: ≤64 entries of system")


def test_nested_in_other_objects_with_paths_to_copy() -> None:
    treescope = pytest.importorskip("treescope")
    made = with_positions()
    shown = {"x": Shown(lambda path: tree.block(made, path))}
    page = html.unescape(treescope.render_to_html(shown, compressed=False))
    assert "∂positions" in page
    assert "['x'].gradient('positions').samples" in page
    assert "['x'].properties" in page


@pytest.mark.skipif(
    importlib.util.find_spec("treescope") is not None, reason="treescope is installed"
)
def test_without_treescope_the_error_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"jaxmeta\[display\]"):
        tree.labels(labels("a", 3))
