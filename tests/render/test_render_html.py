"""The HTML displays: well-formed, escaped, bounded, readable on any background."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from facts_for_tests import CountingMap, block, dynamic, labels, with_positions
from hypothesis import given
from hypothesis import strategies as st

from jaxmeta._render import html
from jaxmeta._render.facts import LabelFacts, MapFacts


class Page(HTMLParser):
    """Checks that tags close in order; collects tags, attributes and visible words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.details: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag == "summary":
            self.details.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)
        if "summary" in self.open:
            self.details[-1] += data

    @property
    def text(self) -> str:
        return "".join(self.words)


def some_map(rows: int) -> CountingMap:
    return CountingMap(labels("o3_lambda center_type", rows), with_positions())


def test_each_block_unfolds_and_so_do_its_gradients() -> None:
    page = Page(html.tensor_map(some_map(2).facts))
    assert [" ".join(each.split()) for each in page.details] == [
        "0 0 3 – 2 ∂positions 9",
        "∂positions float32, shape (9, 3, 2), 216 B",
        "1 2 3 – 2 ∂positions 9",
        "∂positions float32, shape (9, 3, 2), 216 B",
    ]
    assert "TensorMap 2 blocks, float32, 1.2 kB, gradients: positions" in page.text
    assert "o3_lambda center_type samples components properties" in page.text


def test_first_rows_of_each_axis_are_inside() -> None:
    page = html.block(with_positions(labels("o3_mu", 3)))
    tables = [Page(table).text for table in re.findall(r"<pre>.*?</pre>", page, re.S)]
    samples, component, properties, gradient, xyz = tables
    assert samples.split("\n") == [
        " system  atom",
        "   0      0",
        "   1      2",
        "   2      4",
    ]
    assert component.split("\n") == [" o3_mu", "   0", "   1", "   2"]
    assert properties.split() == ["n", "0", "1"]
    assert gradient.split("\n")[7:] == ["   6       12     18", " … 2 more"]
    assert xyz.split() == ["xyz", "0", "1", "2"]


@pytest.mark.parametrize("rows", [1, 20, 21, 1000, 10**5])
def test_only_shown_blocks_are_read_and_told(rows: int) -> None:
    counting = some_map(rows)
    page = Page(html.tensor_map(counting.facts))
    assert counting.asked == list(range(min(rows, 20)))
    hidden = f"… {rows - 20} more\n"
    assert (hidden in page.text) == (rows > 20)
    assert page.tags.count("details") == 2 * min(rows, 20)


def test_the_page_is_small() -> None:
    assert len(html.STYLE.encode()) <= 1024
    components = (labels("xyz_1", 3), labels("xyz_2", 3))
    many = " ".join(f"neighbor_{i}_type" for i in range(4))
    strain = block(labels("sample", 900), components, labels(many, 999))
    positions = block(labels("sample system atom", 900), components, labels(many, 999))
    made = block(
        labels("system atom", 99),
        (),
        labels(many, 999),
        positions=replace(positions, gradients=(("strain", strain),)),
        strain=strain,
    )
    counting = CountingMap(labels("o3_lambda o3_sigma center_type", 1000), made)
    page = html.tensor_map(counting.facts)
    assert len(page.encode()) < 60_000
    assert Page(page).tags.count("details") == 20 * 4


def test_the_page_stays_small_whatever_the_blocks() -> None:
    wide = labels(" ".join(f"a_long_name_of_a_dimension_{i}" for i in range(100)), 9)
    deep = block(wide, (wide,) * 9, wide)
    for _ in range(2):
        deep = block(wide, (wide,) * 9, wide, **{f"g{i}": deep for i in range(6)})
    page = html.tensor_map(CountingMap(labels("k", 1000), deep).facts)
    assert len(page.encode()) < 60_000
    assert Page(page).text.count("∂g0 9") == 20


def test_colours_are_those_of_the_page_and_nothing_runs() -> None:
    page = Page(html.tensor_map(some_map(30).facts))
    assert not re.search(r"#[0-9a-fA-F]{3}|rgb|white[^-]|black|background", html.STYLE)
    assert set(page.tags) <= {
        "div", "style", "strong", "span", "details", "summary", "pre"
    }  # fmt: skip
    assert page.attributes <= {"class", "style"}
    assert "url(" not in html.STYLE
    assert "@import" not in html.STYLE


EVIL = "<script>alert('x')</script>\"&amp;"


def evil_map() -> MapFacts:
    name = LabelFacts((EVIL,), 1, labels("a", 1).values)
    gradient = block(name, (name,), name)
    made = block(name, (), name, **{EVIL: gradient})
    return MapFacts(name, lambda _: made, EVIL, 8, [EVIL], [EVIL])


def test_names_are_escaped() -> None:
    made = html.tensor_map(evil_map())
    page = Page(made)
    assert "script" not in page.tags
    assert "<script" not in made
    # Shortened to 40 columns, and shown as it was given.
    assert "<script>alert('x')</script>\"&amp;"[:19] in page.text


@given(
    st.lists(st.text(max_size=50), min_size=1, max_size=3, unique=True),
    st.text(max_size=50),
    st.text(),
)
def test_any_names_give_a_well_formed_page(names: list[str], name: str, info: str) -> None:
    values = labels(" ".join("abc"[: len(names)]), 3).values
    keys = LabelFacts(tuple(names), 3, values)
    gradients = ((name, block(keys, (keys, keys), keys)),)
    made = replace(block(keys, (keys,), keys), gradients=gradients)
    facts = MapFacts(keys, lambda _: made, "float32", 8, [name], [info])
    for made_page in (html.tensor_map(facts), html.block(made), html.labels(keys)):
        page = Page(made_page)
        assert set(page.tags) <= {
            "div", "style", "strong", "span", "details", "summary", "pre"
        }  # fmt: skip


def test_labels_show_both_ends() -> None:
    page = Page(html.labels(labels("system atom", 1000)))
    assert "Labels: 1000 entries" in page.text
    table = page.text.split("1000 entries")[1].strip("\n").split("\n")
    assert table[0] == " system  atom"
    assert [row.split()[0] for row in table[1:]] == [
        *map(str, range(10)), "...", *map(str, range(990, 1000))
    ]  # fmt: skip


def test_values_that_are_not_known_are_left_out() -> None:
    samples = dynamic("system atom", 64)
    page = Page(html.block(block(samples, (), labels("n", 2))))
    assert "samples ≤64 system  atom" in page.text
    assert "≤64 entries of system, atom" in Page(html.labels(samples)).text


def test_empty_things() -> None:
    facts = replace(some_map(0).facts, dtype=None, gradients=[])
    text = Page(html.tensor_map(facts)).text
    assert text.split("\n")[1:] == [
        "TensorMap 0 blocks",
        "keys: o3_lambda, center_type",
        "",
    ]
    assert Page(html.labels(LabelFacts((), 0))).text.strip() == "Labels: 0 entries"
