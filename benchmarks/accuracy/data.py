"""Published structures with energies and forces, in a folder beside the checkout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxmeta import Labels


FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"


def missing(*names: str) -> bool:
    """Whether a file is not there, or ase to read it; says so where that is so."""
    absent = [name for name in names if not (FOLDER / name).is_file()]
    if absent:
        print(f"not measured: ../shared/data has no {', '.join(absent)}", file=sys.stderr)
        return True
    try:
        import ase.io  # noqa: F401
    except ImportError:
        print("not measured: ase is not installed to read structures", file=sys.stderr)
        return True
    return False


def frames(name: str) -> list[Any]:
    """All structures of a file."""
    import ase.io

    found = ase.io.read(FOLDER / name, ":")
    assert isinstance(found, list)
    return found


def distinct(structures: Sequence[Any], others: Sequence[Any] = ()) -> list[Any]:
    """The structures whose positions were not there before, nor are among others.

    Positions count as equal that agree in four digits after the point, whatever the order
    of the atoms.
    """
    seen = {_fingerprint(each) for each in others}
    found = []
    for each in structures:
        key = _fingerprint(each)
        if key not in seen:
            found.append(each)
        seen.add(key)
    return found


def _fingerprint(structure: Any) -> bytes:
    rounded = np.round(structure.positions, 4) + 0.0  # minus zero is zero
    rows = np.concatenate([structure.numbers[:, None], rounded], axis=1)
    return rows[np.lexsort(rows.T)].tobytes()


def systems(numbers: Sequence[int] | np.ndarray) -> Labels:
    """Labels of these systems."""
    return Labels("system", np.asarray(numbers, np.int32)[:, None])
