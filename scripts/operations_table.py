"""Write docs/operations.md: what each operation does with gradients and dynamic samples.

Everything in it is a claim that the tests prove: the cases of `benchmarks/_cases.py` and
the deviations of `benchmarks/_deviations.py`.

    python scripts/operations_table.py
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path


ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import metatensor  # noqa: E402

import jaxmeta  # noqa: E402
from benchmarks._cases import NOT, Case, cases  # noqa: E402
from benchmarks._deviations import (  # noqa: E402
    DEVIATIONS,
    TRIED_WITH,
    WITHOUT_GRADIENTS,
    Deviation,
)


PAGE = ROOT / "docs" / "operations.md"
HEAD = """# Operations

What each operation does, as the tests prove it. The page is made from the code by
`scripts/operations_table.py`.

- *Same as metatensor*: same name, arguments and results, compared on random maps, all
  labels and orders included. A number points to where the result is another one on
  purpose, as examples in the tests show for both. Operations that metatensor lacks are new.
- *Exact gradients*: explicit gradient blocks go through by the chain rule, compared with
  dense Jacobians by JAX.
- *Nested gradients*: gradients of gradients go through to any depth, because the operation
  is linear, or to the second order. Deeper ones are refused by name.
- *Dynamic samples*: works for maps made by `pad`, or does so along some axes, or for some
  operands. Two maps need the same rows, in their gradients too.

Every operation works under `jit`, `vmap`, `grad`, `jvp`, `eval_shape` and in `scan`.
"""
TOP = (
    "| operation | same as metatensor | exact gradients | nested gradients "
    "| dynamic samples |\n|---|---|---|---|---|"
)


def page() -> str:
    """The page as text."""
    by_name: dict[str, list[Case]] = defaultdict(list)
    for case in cases():
        by_name[case.name].append(case)
    sections = []
    for title, names in _families().items():
        rows = [_row(name, by_name) for name in names]
        sections.append("\n".join([f"## {title}\n", TOP, *rows]))
    notes = "\n".join(f"{i}. {_note(d)}" for i, d in enumerate(DEVIATIONS, 1))
    return "\n\n".join([HEAD.rstrip(), *sections, f"## Deviations\n\n{notes}"]) + "\n"


def _note(deviation: Deviation) -> str:
    return deviation.reason if deviation.operations else f"All: {deviation.reason}"


def _families() -> dict[str, list[str]]:
    """The exported operations by file, the methods after them."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in sorted(vars(jaxmeta).items()):
        module = getattr(value, "__module__", None) or ""
        if callable(value) and module.startswith("jaxmeta.operations"):
            found[_title(module)].append(name)
    methods = sorted({c.name for c in cases() if c.name.startswith("TensorMap.")})
    return {**dict(sorted(found.items())), "Methods": methods}


def _title(module: str) -> str:
    """The name of the file, as a title."""
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def _row(name: str, by_name: dict[str, list[Case]]) -> str:
    tried = by_name.get(TRIED_WITH.get(name, name), [])
    cells = [f"`{name}`", _same(name), _exact(name), _nested(name, tried), _dynamic(tried)]
    return f"| {' | '.join(cells)} |"


def _same(name: str) -> str:
    where, _, method = name.rpartition(".")
    there = getattr(metatensor, where) if where else metatensor
    if not hasattr(there, method):
        return "new"
    notes = [i for i, d in enumerate(DEVIATIONS, 1) if name in d.operations]
    return f"yes, but ({', '.join(map(str, notes))})" if notes else "yes"


def _exact(name: str) -> str:
    return WITHOUT_GRADIENTS.get(name, "yes")


def _nested(name: str, tried: list[Case]) -> str:
    depths = dict.fromkeys(case.gradients for case in tried if case.gradients != NOT)
    return " or ".join(depths) if depths and name not in WITHOUT_GRADIENTS else ""


def _dynamic(tried: list[Case]) -> str:
    if not tried:
        return ""
    kinds = [case.what for case in tried if case.dynamic]
    if len(kinds) == len(tried):
        return "yes"
    return f"only {', '.join(kinds)}" if kinds else "not yet"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(ROOT)}")
