"""The `.npy` format: numpy is the oracle; whatever is malformed is refused."""

from __future__ import annotations

import io
import time

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from jaxmeta import Labels
from jaxmeta.errors import CorruptFileError, InvalidError, InvalidTypeError
from jaxmeta.io import npy
from jaxmeta.io.archive import Place
from jaxmeta.io.reading import parse_labels


PLACE = Place("file.mts", "values.npy")
DTYPES = [
    "f2",
    "f4",
    "f8",
    "i1",
    "i2",
    "i4",
    "i8",
    "u1",
    "u2",
    "u4",
    "u8",
    "b1",
    "c8",
    "c16",
]
dtypes = st.sampled_from(DTYPES)
shapes = npst.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)


def read(content: bytes) -> np.ndarray:
    header = npy.read_header(memoryview(content), len(content), PLACE)
    memory = npy.aligned_bytes(header.content_size)
    memory[:] = np.frombuffer(content[header.size :], np.uint8)
    return npy.shaped(memory, header)


def written(array: np.ndarray) -> bytes:
    header = npy.array_header(array.dtype, array.shape, "values.npy")
    return header + npy.little_endian(array).tobytes()


def of_numpy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version, allow_pickle=False)
    return file.getvalue()


def with_header(text: str, content: bytes = b"", version: int = 1) -> bytes:
    raw = text.encode("utf-8")
    return b"\x93NUMPY" + bytes([version, 0]) + len(raw).to_bytes(2 * version, "little") + (
        raw + content
    )  # fmt: skip


@given(npst.arrays(dtypes, shapes), st.sampled_from("<>"), st.booleans())
def test_what_numpy_writes_is_read(array: np.ndarray, order: str, fortran: bool) -> None:
    array = array.astype(array.dtype.newbyteorder(order))
    if fortran:
        array = np.asfortranarray(array)
    found = read(of_numpy(array))
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.shape == array.shape
    assert found.tobytes() == array.astype(found.dtype).tobytes()
    assert found.flags.c_contiguous


@given(npst.arrays(dtypes, shapes))
def test_what_is_written_is_read_by_numpy(array: np.ndarray) -> None:
    content = written(array)
    found = np.load(io.BytesIO(content), allow_pickle=False)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    assert b"|" not in content[:60]


def test_views_in_any_order_are_written_as_they_look(rng: np.random.Generator) -> None:
    array = rng.random((4, 5, 6))
    for view in (array.T, array[::2, ::-1], array[:0], array.astype(">f8")):
        np.testing.assert_array_equal(read(written(view)), view)


def test_versions_and_spellings_of_headers() -> None:
    expected = np.arange(6, dtype="<u2").reshape(2, 3)
    numbers = expected.tobytes()
    texts = [
        "{'descr':'<u2','fortran_order':False,'shape':(2,3)}",
        '  { "shape" : (2, 3, ), "fortran_order" : False , "descr" : "<u2", }  \n',
        "{'fortran_order': False, 'descr': '=u2', 'shape': ( 2 ,3 )}\n",
    ]
    for version in (1, 2, 3):
        for text in texts:
            raw = text.encode()
            size = len(raw).to_bytes(2 if version == 1 else 4, "little")
            content = b"\x93NUMPY" + bytes([version, 0]) + size + raw + numbers
            np.testing.assert_array_equal(read(content), expected)


def test_headers_of_labels_are_those_of_numpy_reading() -> None:
    labels = Labels(["a", "_b2"], [[1, -2], [2**31 - 1, -(2**31)]])
    content = npy.labels_header(labels.names, 2) + labels.values.tobytes()
    table = np.load(io.BytesIO(content), allow_pickle=False)
    assert table.dtype == np.dtype([("a", "<i4"), ("_b2", "<i4")])
    assert table["_b2"].tolist() == [-2, -(2**31)]
    assert parse_labels(memoryview(content), PLACE) is labels
    for order in "<>":
        structured = table.astype([("a", f"{order}i4"), ("_b2", f"{order}i4")])
        assert parse_labels(memoryview(of_numpy(structured)), PLACE) is labels


@pytest.mark.parametrize("rows", [0, 1])
def test_labels_without_names(rows: int) -> None:
    """metatensor writes them and can not read them: the rows are in the shape."""
    labels = Labels([], np.zeros((rows, 0), np.int32))
    content = npy.labels_header([], rows)
    assert b"'descr': []" in content
    found = parse_labels(memoryview(content), PLACE)
    assert found is labels
    assert len(found) == rows


def test_rows_without_names_are_bounded_on_both_sides() -> None:
    most = npy.MOST_NAMELESS_ROWS
    content = npy.labels_header([], most)
    assert len(parse_labels(memoryview(content), PLACE)) == most
    with pytest.raises(InvalidError, match="too many rows without names"):
        npy.labels_header([], most + 1)


@pytest.mark.parametrize("length", [1, 11, 60, 65400, 65456, 65457, 70000])
def test_long_headers_are_aligned_and_read_again(length: int) -> None:
    labels = Labels.empty("n" * length)
    content = npy.labels_header(labels.names, 0)
    assert len(content) % 64 == 0
    assert content[6] == (1 if length < 65457 else 2)
    assert parse_labels(memoryview(content), PLACE) is labels


@pytest.mark.parametrize(
    "dtype", [jnp.bfloat16, jnp.float8_e5m2, jnp.int4, "O", "U3", "M8[s]"]
)
def test_other_dtypes_are_not_written(dtype: object) -> None:
    array = np.zeros(2, dtype)  # type: ignore[call-overload]
    with pytest.raises(InvalidTypeError, match=r"\.to\(dtype=\"float32\"\)"):
        written(array)


def numbers(text: str, content: bytes = bytes(48)) -> bytes:
    return with_header(text, content)


def plain(descr: str = "'<f8'", order: str = "False", shape: str = "(2, 3)") -> bytes:
    return numbers(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}")


BAD_HEADERS = {
    "no magic": (b"\x92NUMPY" + plain()[6:], "it is no .npy array"),
    "empty": (b"", "it is no .npy array"),
    "only magic": (b"\x93NUMPY", "version"),
    "version": (b"\x93NUMPY\4\0" + plain()[8:], r"version \(4, 0\)"),
    "minor version": (b"\x93NUMPY\1\1" + plain()[8:], r"version \(1, 1\)"),
    "no length": (b"\x93NUMPY\1\0\1", "cut off"),
    "cut off": (plain()[:40], "header is cut off"),
    "huge header": (b"\x93NUMPY\2\0\xff\xff\xff\xff", "claims 4294967307 bytes"),
    "numbers missing": (plain()[:-1], r"needs 48 bytes, there are 47"),
    "numbers too many": (plain() + b"\0", r"needs 48 bytes, there are 49"),
    "object": (plain("'|O'"), r"dtype '\|O' is not among"),
    "text": (plain("'<U4'"), "is not among"),
    "void": (plain("'|V8'"), "is not among"),
    "long double": (plain("'<f16'"), "is not among"),
    "time": (plain("'<M8[ns]'"), "is not among"),
    "no byte order": (plain("'f8'"), "is not among"),
    "no byte order for one byte": (plain("'|f8'"), "is not among"),
    "nested": (plain("[('a', [('b', '<i4')])]"), "can not be understood"),
    "subarray": (plain("[('a', '<i4', (2,))]"), "can not be understood"),
    "pair": (plain("('<f8', (2,))"), "can not be understood"),
    "order": (plain(order="1"), "can not be understood"),
    "order as text": (plain(order="'True'"), "fortran_order is"),
    "negative": (plain(shape="(-2, -3)"), "can not be understood"),
    "float": (plain(shape="(2.0, 3)"), "can not be understood"),
    "number": (plain(shape="6"), "can not be understood"),
    "no tuple": (plain(shape="(6)"), "the shape in its .npy header is"),
    "empty axis": (plain(shape="(2,,3)"), "the shape in its .npy header is"),
    "list": (plain(shape="[2, 3]"), "the shape in its .npy header is"),
    "overflow": (plain(shape=f"({2**62}, {2**62})"), "larger than any array"),
    "wrapping": (plain(shape=f"({2**61 + 6},)"), "larger than any array"),
    "long number": (plain(shape=f"({'9' * 5000},)"), "the shape in its .npy header is"),
    "many axes": (plain(shape=f"({'1, ' * 65})"), "the shape in its .npy header is"),
    "unknown key": (
        numbers("{'descr': '<f8', 'fortran_order': False, 'x': (6,)}"),
        "underst",
    ),
    "key missing": (numbers("{'descr': '<f8', 'shape': (6,)}"), "can not be understood"),
    "key twice": (
        numbers("{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (6,)}"),
        "can not be understood",
    ),
    "something behind": (plain(shape="(2, 3)};x={"), "can not be understood"),
    "a call": (plain("__import__('os').system('x')"), "can not be understood"),
    "not utf-8": (
        b"\x93NUMPY\3\0\2\0\0\0\xff\xfe" + bytes(48),
        "not UTF-8",
    ),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_malformed_arrays_are_refused(case: str) -> None:
    content, message = BAD_HEADERS[case]
    with pytest.raises(CorruptFileError, match=message) as caught:
        read(content)
    assert caught.value.path == "file.mts"
    assert caught.value.entry == "values.npy"


def rows(descr: str, content: bytes, shape: str = "(2,)") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"
    return with_header(text, content)


TWO = np.array([1, 2], "<i4").tobytes()
BAD_LABELS = {
    "same row twice": (rows("[('a', '<i4')]", bytes(8)), "stands twice"),
    "wide": (rows("[('a', '<i8')]", bytes(16)), "32-bit integers"),
    "floats": (rows("[('a', '<f4')]", TWO), "32-bit integers"),
    "two orders": (rows("[('a', '<i4'), ('b', '>i4')]", TWO * 2), "one byte order"),
    "plain integers": (rows("'<i4'", TWO), "one-dimensional array of named integers"),
    "a table": (rows("[('a', '<i4')]", TWO, "(2, 1)"), "one-dimensional array"),
    "a scalar": (rows("[('a', '<i4')]", TWO[:4], "()"), "one-dimensional array"),
    "name twice": (rows("[('a', '<i4'), ('a', '<i4')]", TWO * 2), "a name of its own"),
    "no name": (rows("[('', '<i4')]", TWO), "not a valid name"),
    "bad name": (rows("[('a b', '<i4')]", TWO), "not a valid name"),
    "object": (rows("[('a', '|O')]", TWO), "32-bit integers"),
    "bytes behind": (rows("[('a', '<i4')]", TWO + b"\0"), "there are 9"),
    "rows without names": (rows("[]", b"", f"({2**50},)"), "without any name"),
    "absurd rows without names": (rows("[]", b"", f"({2**62},)"), "larger than any array"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_malformed_labels_are_refused(case: str) -> None:
    content, message = BAD_LABELS[case]
    with pytest.raises(CorruptFileError, match=message):
        parse_labels(memoryview(content), PLACE)


@pytest.mark.parametrize(
    "text",
    [
        "{" + "[" * 60000,
        "{" + "-" * 60000,
        "{" + "'a':" * 15000 + "}",
        "{'shape': (" + "1" * 60000,
        "{'shape': (" + "1 " * 30000 + ")}",
        "{'descr': [" + "('a', '<i4') " * 5000 + "]}",
        "{" + " " * 60000 + "'",
        "{" + "'descr': '<f8', " * 4000 + "}",
    ],
)
def test_headers_made_to_take_long_do_not(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(CorruptFileError):
        read(with_header(text))
    assert time.perf_counter() - began < 1.0


@given(st.binary(max_size=200))
def test_any_header_gives_a_header_or_the_error(text: bytes) -> None:
    content = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text
    try:
        found = npy.read_header(memoryview(content), len(content), PLACE)
    except CorruptFileError:
        return
    assert found.content_size == 0


@given(dtypes, shapes, st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_gives_an_array_of_the_same_size_or_the_error(
    code: str, shape: tuple[int, ...], position: int, byte: int
) -> None:
    content = bytearray(written(np.zeros(shape, code)))
    content[position % len(content)] = byte
    try:
        found = read(bytes(content))
    except CorruptFileError:
        return
    assert found.nbytes == np.zeros(shape, code).nbytes


def test_memory_for_values_is_what_jax_takes_over() -> None:
    for size in (0, 1, 4095, 4096, 10**6):
        memory = npy.aligned_bytes(size)
        assert memory.nbytes == size
        assert size < 4096 or memory.ctypes.data % 64 == 0
