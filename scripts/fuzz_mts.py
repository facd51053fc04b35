"""Look for bytes that make the readers of `.mts` files do anything but read or refuse.

    python scripts/fuzz_mts.py [folder of inputs] [options of libFuzzer]

Runs until something is found, or for `-max_total_time=SECONDS`. Inputs that are worth
keeping are collected in the folder; without one they are forgotten. Needs the package
atheris, which guides the mutations by what code they reach.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from jaxmeta import Labels, TensorBlock, TensorMap
from jaxmeta.errors import CorruptFileError, InvalidError
from jaxmeta.io import (
    load_block_buffer,
    load_buffer,
    load_labels_buffer,
    save_buffer,
)
from jaxmeta.io.archive import Archive


LOADERS = (load_buffer, load_block_buffer, load_labels_buffer)


def look_at(content: bytes) -> None:
    """One input: every loader reads it, or refuses it with one of two errors."""
    for load in LOADERS:
        options = {} if load is load_labels_buffer else {"as_numpy": True}
        try:
            found = load(content, **options)
        except (CorruptFileError, InvalidError):
            continue
        again = bytes(save_buffer(found))
        if bytes(save_buffer(load(again, **options))) != again:
            message = "what was loaded does not save the same way twice"
            raise AssertionError(message)


def beginnings() -> list[bytes]:
    """Small sound files to begin with."""
    n, xyz = Labels.range("n", 2), Labels.range("xyz", 3)
    rows = Labels(["sample", "atom"], [[0, 1], [1, 0]])
    gradient = TensorBlock(np.ones((2, 3, 2)), rows, [xyz], n)
    block = TensorBlock(
        np.ones((2, 2)), Labels.range("system", 2), [], n, {"positions": gradient}
    )
    tensor = TensorMap(Labels("k", [[1], [2]]), [block, block], {"unit": "eV"})
    return [bytes(save_buffer(data)) for data in (tensor, block, rows)]


def main() -> None:
    """Set up the fuzzer and let it run."""
    try:
        import atheris
    except ImportError:
        sys.exit("fuzz_mts.py needs atheris: pip install atheris")
    # Checksums, which only a lucky mutation gets right, would hide the code behind them.
    Archive.check = lambda *_: None
    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(beginnings()):
            (Path(folder) / f"{number}.mts").write_bytes(content)
        atheris.Setup([*sys.argv, folder], look_at)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
