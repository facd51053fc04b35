"""Files from strangers: every one of them is loaded, or is a CorruptFileError."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import MUTATIONS, archive_of, members_of, mutated_bytes, originals, small_map
from typed_calls import untyped

from jaxmeta import Labels, TensorMap
from jaxmeta.errors import CorruptFileError, InvalidError
from jaxmeta.io import (
    lazy,
    load_block_buffer,
    load_buffer,
    load_labels_buffer,
    save_buffer,
)
from jaxmeta.io.npy import array_header, labels_header


CASES = 10_000
LOADERS: list[Any] = [load_buffer, load_block_buffer]


def outcome(content: bytes) -> str:
    """What became of the file; anything but the three allowed results is raised."""
    for load in LOADERS:
        try:
            found = load(content, as_numpy=True)
        except CorruptFileError:
            return "corrupt"
        except InvalidError as error:
            if "holds" not in str(error):
                raise
            continue
        again = save_buffer(found)
        assert bytes(save_buffer(load(again, as_numpy=True))) == bytes(again)
        return "loaded"
    assert load_labels_buffer(content) is not None
    return "labels"


@pytest.fixture
def bounded() -> Iterator[None]:
    """Fails the test when it took more memory than a small file can justify."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize("part", range(10))
def test_mutated_files(part: int) -> None:
    rng = np.random.default_rng(part)
    files = originals()
    found: dict[str, int] = {}
    with untyped():
        for case in range(CASES // 10):
            original = files[rng.integers(0, len(files))]
            mutate = MUTATIONS[case % len(MUTATIONS)]
            content = mutate(original, rng)
            try:
                result = outcome(content)
            except Exception as error:
                error.add_note(f"part {part}, case {case}, by {mutate.__name__}")
                raise
            found[result] = found.get(result, 0) + 1
    # Most injuries are noticed; some leave a file that is just another one.
    assert found["corrupt"] > CASES // 20
    assert found["loaded"] > CASES // 1000


def test_mutated_real_files(data_folder: Path, bounded: None) -> None:
    rng = np.random.default_rng(7)
    paths = [path for path in data_folder.glob("*.mts") if path.stat().st_size < 20_000]
    files = [path.read_bytes() for path in sorted(paths)]
    assert len(files) > 5
    with untyped():
        for case in range(240):
            content = MUTATIONS[case % len(MUTATIONS)](files[case % len(files)], rng)
            outcome(content)


def test_mutated_labels() -> None:
    rng = np.random.default_rng(3)
    original = bytes(save_buffer(Labels(["a", "b"], [[1, 2], [3, 4], [5, 6]])))
    loaded = 0
    with untyped():
        for _ in range(2000):
            content = mutated_bytes(original, rng)
            try:
                labels = load_labels_buffer(content)
            except CorruptFileError:
                continue
            except InvalidError as error:
                if "holds a Tensor" not in str(error):
                    raise
                continue
            assert load_labels_buffer(save_buffer(labels)) is labels
            loaded += 1
    assert 0 < loaded < 2000


def test_mutated_files_are_opened_in_parts(tmp_path: Path) -> None:
    """Mapped values may be any numbers; nothing else may differ from loading."""
    rng = np.random.default_rng(11)
    original = originals()[0]
    path = tmp_path / "file.mts"
    samples = Labels("system", [[5], [3]])
    opened = 0
    with untyped():
        for case in range(600):
            path.write_bytes(MUTATIONS[case % len(MUTATIONS)](original, rng))
            try:
                with lazy.open(path) as file:
                    for block in file.blocks():
                        assert np.asarray(block.values).tobytes() is not None
                    file.read(samples=samples, as_numpy=True)
                    opened += 1
            except (CorruptFileError, InvalidError):
                continue
    assert opened > 10


# One kind of harm after the other ---------------------------------------------------------


def with_member(name: str, content: bytes | None) -> bytes:
    members = dict(members_of(bytes(save_buffer(small_map()))))
    members.pop(name, None)
    if content is not None:
        members[name] = content
    return archive_of(list(members.items()))


def values(shape: tuple[int, ...], code: str = "f8", content: bytes = b"") -> bytes:
    return array_header(np.dtype(code), shape, "") + content


def labels(names: list[str], rows: list[list[int]]) -> bytes:
    table = np.array(rows, "<i4").reshape(len(rows), len(names))
    return labels_header(names, len(rows)) + table.tobytes()


def deep_json() -> bytes:
    return b"[" * 100_000 + b"]" * 100_000


def deep_gradients(depth: int) -> bytes:
    members = dict(members_of(bytes(save_buffer(small_map()))))
    prefix = "blocks/0/" + "gradients/g/" * depth
    members[f"{prefix}samples.npy"] = labels(["sample"], [[0]])
    return archive_of(list(members.items()))


V, G = "blocks/0/values.npy", "blocks/0/gradients/positions/"
HARM: dict[str, tuple[Any, str]] = {
    "shape without end": (lambda: with_member(V, values((2**62, 2, 2))), "larger than any"),
    "shape of overflow": (lambda: with_member(V, values((2**62, 2**62, 2))), "larger than"),
    "shape of many axes": (lambda: with_member(V, values((1,) * 70)), "the shape in"),
    "shape without numbers": (lambda: with_member(V, values((2**62, 2, 0))), "larger than"),
    "shape of much": (
        lambda: with_member(V, values((2**50, 2, 2))),
        "needs 360287970",
    ),
    "shape of nothing": (lambda: with_member(V, values((2**50, 2, 0))), "does not fit"),
    "one axis": (
        lambda: with_member(V, values((3,), content=bytes(24))),
        "the shape",
    ),
    "no axis": (lambda: with_member(V, values((), content=bytes(8))), "the shape"),
    "more axes": (
        lambda: with_member(V, values((3, 2, 1, 2), content=bytes(96))),
        "components/1.npy can not be read",
    ),
    "fewer axes": (
        lambda: with_member(V, values((6, 2), content=bytes(96))),
        "only 0 component axes",
    ),
    "other rows": (
        lambda: with_member(V, values((2, 2, 2), content=bytes(64))),
        "does not fit",
    ),
    "a pickle": (lambda: with_member(V, b"\x80\x04\x95" + bytes(50)), "no .npy array"),
    "an object": (
        lambda: with_member(V, values((12,)).replace(b"'<f8'", b"'|O' ")),
        r"dtype '\|O'",
    ),
    "labels for values": (lambda: with_member(V, labels(["a"], [[1]])), "it holds labels"),
    "values for labels": (
        lambda: with_member("keys.npy", values((2, 2), "i4", bytes(16))),
        "named integers",
    ),
    "no keys": (lambda: with_member("keys.npy", None), "neither keys.npy nor values.npy"),
    "no values": (lambda: with_member(V, None), "2 keys and 1 blocks"),
    "no samples": (lambda: with_member("blocks/0/samples.npy", None), "no such"),
    "no properties": (
        lambda: with_member("blocks/1/properties.npy", None),
        "no such",
    ),
    "no component": (lambda: with_member("blocks/0/components/0.npy", None), "no such"),
    "no gradient samples": (lambda: with_member(f"{G}samples.npy", None), "no such"),
    "no gradient values": (lambda: with_member(f"{G}values.npy", None), "no such"),
    "more keys": (
        lambda: with_member("keys.npy", labels(["a", "b"], [[1, 2], [3, 4], [5, 6]])),
        "3 keys and 2 blocks",
    ),
    "fewer keys": (lambda: with_member("keys.npy", labels(["a"], [[1]])), "1 keys and 2"),
    "same key twice": (
        lambda: with_member("keys.npy", labels(["a"], [[1], [1]])),
        "stands twice",
    ),
    "same sample twice": (
        lambda: with_member("blocks/0/samples.npy", labels(["system"], [[1], [2], [1]])),
        "stands twice",
    ),
    "other names": (
        lambda: with_member("blocks/0/samples.npy", labels(["other"], [[1], [2], [3]])),
        "the same sample names",
    ),
    "gradient row not there": (
        lambda: with_member(f"{G}samples.npy", labels(["sample"], [[0], [1], [3]])),
        "not there",
    ),
    "gradient row negative": (
        lambda: with_member(f"{G}samples.npy", labels(["sample"], [[0], [1], [-1]])),
        "not there",
    ),
    "gradient without rows": (
        lambda: with_member(f"{G}samples.npy", labels(["row"], [[0], [1], [2]])),
        "must be 'sample'",
    ),
    "gradient of other numbers": (
        lambda: with_member(f"{G}values.npy", values((3, 3, 2, 2), "f4", bytes(144))),
        "another dtype",
    ),
    "block of other numbers": (
        lambda: with_member("blocks/1/gradients/y/samples.npy", labels(["sample"], [[0]])),
        "no such",
    ),
    "deep gradients": (lambda: deep_gradients(5000), "nested too deeply"),
    "half a chain of gradients": (lambda: deep_gradients(3), "no such"),
    "info is no json": (lambda: with_member("info.json", b"{'a': 1}"), "no JSON"),
    "info is no text": (
        lambda: with_member("info.json", b"\xff\xfe{}"),
        "no JSON",
    ),
    "info is a list": (lambda: with_member("info.json", b"[]"), "one object"),
    "info holds a number": (lambda: with_member("info.json", b'{"a": 1}'), "one object"),
    "info is deep": (lambda: with_member("info.json", deep_json()), "no JSON"),
    "info is a long number": (
        lambda: with_member("info.json", b"1" * 10**5),
        "no JSON|one",
    ),
    "info twice": (lambda: with_member("info.json", b'{"a": "", "a": ""}'), "stands twice"),
    "info with half a character": (
        lambda: with_member("info.json", b'{"a": "\\ud800"}'),
        "lone surrogate",
    ),
    "info is huge": (
        lambda: with_member("info.json", json.dumps({"a": "x" * (1 << 24)}).encode()),
        "larger than",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_harm_is_refused(harm: str) -> None:
    make, message = HARM[harm]
    content = make()
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(CorruptFileError, match=message):
        load_buffer(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.perf_counter() - began < 5.0
    assert peak < 2 * len(content) + (4 << 20)


def test_a_file_may_hold_more_than_the_format_knows() -> None:
    tensor = small_map()
    for name in ("thumbnail.png", "blocks/readme", "blocks/0/gradients/x/readme.txt"):
        assert load_buffer(with_member(name, b"...")) == tensor


def test_an_archive_of_labels_is_named() -> None:
    with pytest.raises(InvalidError, match="holds Labels"):
        load_buffer(save_buffer(Labels.single()))


def test_empty_maps_from_strangers() -> None:
    content = archive_of([("keys.npy", labels(["k"], []))])
    assert load_buffer(content) == TensorMap(Labels.empty("k"), [])
