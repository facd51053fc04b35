"""Without x64, numbers of 64 bits are refused by name, and never rounded in silence."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


START = """
import warnings; warnings.simplefilter("error")
import jax, jax.numpy as jnp, numpy as np
from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import PrecisionError
assert not jax.config.jax_enable_x64

def block(values):
    return TensorBlock(values, Labels.range("s", 2), [], Labels.range("n", 3))

def tensor(values):
    return TensorMap(Labels("k", [[0], [1]]), [block(values)] * 2)

def refused(call, *words):
    try:
        call()
    except PrecisionError as error:
        for word in (*words, "jax_enable_x64", "dtype="):
            assert word in str(error), (word, str(error))
    else:
        raise AssertionError("not refused")
"""

CASES = {
    "operations on numpy arrays": """
        wide = tensor(np.full((2, 3), 1 / 3))
        for call in (
            lambda: wide + wide,
            lambda: 2.0 * wide,
            lambda: wide.keys_to_properties("k"),
            lambda: wide.keys_to_samples("k"),
        ):
            refused(call, "float64", "float32")
    """,
    "every wide dtype": """
        for dtype in ("float64", "complex128", "int64", "uint64"):
            wide = tensor(np.ones((2, 3), dtype))
            refused(lambda: wide.keys_to_properties("k"), dtype)
            refused(lambda: wide.to(arrays="jax"), dtype)
            refused(lambda: wide.to(device=jax.devices()[0]), dtype)
    """,
    "arrays of numpy of another class": """
        wide = tensor(np.full((2, 3), 1 / 3).view(np.memmap))
        refused(lambda: wide + wide, "float64", "float32")
        refused(lambda: wide.keys_to_properties("k"), "float64")
    """,
    "asking for a wide dtype": """
        narrow = tensor(jnp.ones((2, 3)))
        refused(lambda: narrow.to(dtype="float64"), "to: float64", "float32")
        refused(lambda: narrow.block(0).to(dtype="complex128"), "complex64")
    """,
    "what moves nothing keeps every bit": """
        values = np.full((2, 3), 1 / 3)
        wide = tensor(values)
        assert wide.dtype == "float64"
        assert wide.block(0).values is values
        assert wide.with_info(unit="eV").block(0).values is values
        assert wide.copy() == wide
        assert jax.tree.map(lambda x: x, wide).block(1).values is values
        assert (+wide).dtype == "float64"
    """,
    "numpy arrays among traced ones": """
        wide = block(np.full((2, 3), 1 / 3))
        keys = Labels("k", [[0], [1]])
        def function(x):
            layout = tensor(x)._layout
            return TensorMap._view(layout, (x, wide.values)).keys_to_samples("k")
        refused(lambda: jax.jit(function)(jnp.ones((2, 3))), "float64")
    """,
    "conversion on purpose": """
        narrow = tensor(np.full((2, 3), 1 / 3)).to(dtype="float32")
        assert narrow.dtype == "float32"
        assert isinstance(narrow.block(0).values, np.ndarray)
        assert (narrow + narrow).dtype == "float32"
        half = tensor(jnp.ones((2, 3))).to(dtype="float64", arrays="numpy")
        assert half.dtype == "float64"
    """,
    "labels are the same": """
        assert Labels("a", np.array([[2**31 - 1], [-(2**31)]])).values.dtype == np.int32
        a, b = Labels.range("a", 3), Labels("a", [[2], [5]])
        assert a.union_and_mapping(b)[2].dtype == np.int64
        assert (tensor(jnp.ones((2, 3))).keys_to_samples("k").block().values == 1).all()
    """,
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """All cases in one other process; x64 can not be turned off in this one."""
    script = ["import sys, traceback", START]
    for name, code in CASES.items():
        body = textwrap.indent(textwrap.dedent(code), "    ")
        script += [f"print('case', {name!r})", f"try:\n{body}\n    print('passed')"]
        script.append("except Exception:\n    traceback.print_exc(file=sys.stdout)")
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(script)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    parts = run.stdout.split("case ")[1:]
    return dict(zip(CASES, parts, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_without_x64(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case].endswith("passed\n"), outcomes[case]
