"""Imports go down or sideways within a room, never up; files stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest


PACKAGE = Path(__file__).resolve().parents[1] / "jaxmeta"

# A room is a folder or a single file of the package; a floor sees itself only within
# one room, and every floor below.
FLOORS = {
    "errors": -1,  # the ground: every room may raise
    "_render": 0,
    "core": 1,
    "operations": 2,
    "debug": 2,
    "native": 2,
    "io": 2,
    "autodiff": 2,
    "nn": 3,
    "data": 3,
    "learn": 3,
    "testing": 3,
    "atomistic": 4,
    "representations": 5,
    "deploy": 6,
    "potentials": 6,
    "interop": 7,
    "plot": 7,
    "datasets": 8,
    "engines": 8,
    "cli": 9,
    "demo": 9,
}
FRONT_DOOR = "__init__"

# The rooms of the core, from the ground up.
FLOORS_OF_CORE = {
    "rows": 0,
    "labels": 1,
    "layouts": 2,
    "plans": 3,
    "device": 4,
    "gradients": 5,
    "parts": 6,
    "moves": 6,
    "functions": 6,
    "dot": 6,
    "arithmetic": 7,
    "blocks": 8,
}

# Who may import what beyond the standard library, jax, numpy and equinox.
REQUIRED = {"jax", "jaxlib", "jaxtyping", "numpy", "equinox"} | set(sys.stdlib_module_names)
ROOMS_OF_EXTRAS = {"interop", "plot", "demo", "engines", "testing"}
EXTRAS_ELSEWHERE: dict[str, set[str]] = {
    "_render": {"treescope"},
    "datasets": {"ase"},
    "deploy": {"flatbuffers"},
    "representations": {"scipy", "sphericart"},
    "atomistic": {"vesin"},
    "data": {"grain", "tqdm"},
    "learn": {"scipy"},
}

# Written as users write: through the front door.
GUESTS = {"demo"}

# Slow to import, or not there at all: `import jaxmeta` must do without.
NEVER_AT_IMPORT = {
    "ase", "beartype", "chemiscope", "chex", "featomic", "flax", "grain", "hypothesis",
    "matplotlib", "metatensor", "optax", "pandas", "torch", "tqdm", "treescope", "vesin",
    "xarray",
}  # fmt: skip

MOST_LINES = 400


class Import(NamedTuple):
    """One import statement: the line, and the dotted name that it reaches."""

    line: int
    target: str


def imports_of(tree: ast.AST, package: str) -> Iterator[Import]:
    """All imports of a file in `package`, also those in functions, as absolute names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            # `from jaxmeta import core` reaches a room, not only the front door.
            yield from (Import(node.lineno, f"{base}.{a.name}") for a in node.names)
        elif isinstance(node, ast.Call):
            yield from _by_name(node)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _by_name(node: ast.Call) -> Iterator[Import]:
    """Imports by `importlib.import_module("...")` and `__import__("...")`."""
    called = ast.unparse(node.func).rsplit(".", 1)[-1]
    if called in ("import_module", "__import__") and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield Import(node.lineno, first.value)


def faults_of(package: Path, floors: dict[str, int]) -> list[str]:
    """Every breach of the import rules below `package`, as `file:line: what`."""
    faults = []
    for path in sorted(package.rglob("*.py")):
        inner = path.relative_to(package).with_suffix("").parts
        room, where = inner[0], path.relative_to(package.parent)
        if room == FRONT_DOOR:
            continue
        if room not in floors:
            faults.append(f"{where}:1: the room {room!r} is on no floor")
            continue
        parent = ".".join([package.name, *inner[:-1]])
        for found in imports_of(ast.parse(path.read_text()), parent):
            fault = _fault(found.target, inner, package, floors)
            if fault:
                faults.append(f"{where}:{found.line}: {fault}")
    return list(dict.fromkeys(faults))


def _fault(
    target: str, inner: tuple[str, ...], package: Path, floors: dict[str, int]
) -> str | None:
    top, *rest = target.split(".")
    room = inner[0]
    if top != package.name:
        return _fault_outside(top, room)
    if not rest or not _is_module(package, rest[0]):
        return None if room in GUESTS else "imports the front door"
    if rest[0] not in floors:
        return f"imports {rest[0]!r}, which is on no floor"
    if rest[0] == room:
        return _fault_within(rest[1:], inner, package / room)
    if floors[rest[0]] >= floors[room]:
        return (
            f"{room!r} (floor {floors[room]}) imports {rest[0]!r} (floor {floors[rest[0]]})"
        )
    return None


def _fault_within(rest: list[str], inner: tuple[str, ...], folder: Path) -> str | None:
    """A file imports its siblings, not the door of its own room: that makes a circle."""
    is_own_door = inner[-1] == FRONT_DOOR
    if not is_own_door and not (rest and _is_module(folder, rest[0])):
        return f"imports the door of its own room {inner[0]!r}"
    return None


def _fault_outside(top: str, room: str) -> str | None:
    allowed = REQUIRED | EXTRAS_ELSEWHERE.get(room, set())
    if top in allowed or room in ROOMS_OF_EXTRAS:
        return None
    return f"{room!r} imports the optional package {top!r}"


def circle_of(package: Path) -> list[str]:
    """The first circle of files that import one another, lazily or not; else nothing.

    Imports for annotations alone do not run, and two halves of one idea may name each
    other's types.
    """
    graph: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        inner = path.relative_to(package.parent).with_suffix("").parts
        tree = _WithoutTyping().visit(ast.parse(path.read_text()))
        found = imports_of(tree, ".".join(inner[:-1]))
        targets = {_file_of(package.parent, each.target) for each in found}
        graph[str(path.relative_to(package.parent))] = targets - {""}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


class _WithoutTyping(ast.NodeTransformer):
    """Takes out what stands under `if TYPE_CHECKING:`."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test).endswith("TYPE_CHECKING") else node


def _file_of(folder: Path, target: str) -> str:
    """The file that a dotted name leads to, relative to `folder`; "" if outside."""
    module = Path(*target.split("."))
    for path in (module, module.parent):
        for file in (path.parent / f"{path.name}.py", path / "__init__.py"):
            if path.name and (folder / file).is_file():
                return str(file)
    return ""


def _is_module(folder: Path, name: str) -> bool:
    return (folder / name).is_dir() or (folder / f"{name}.py").is_file()


def test_imports_go_down() -> None:
    faults = faults_of(PACKAGE, FLOORS)
    assert not faults, "\n".join(faults)


def test_imports_within_the_core_go_down() -> None:
    """The core is a house of its own, whose rooms are floors too."""
    core = PACKAGE / "core"
    rooms = {path.name for path in core.iterdir() if (path / "__init__.py").exists()}
    assert rooms == set(FLOORS_OF_CORE)
    faults = []
    for path in sorted(core.glob("*/*.py")):
        room = path.parent.name
        for found in imports_of(ast.parse(path.read_text()), f"jaxmeta.core.{room}"):
            above = found.target.removeprefix("jaxmeta.core.").split(".")[0]
            own = found.target.startswith("jaxmeta.core.") and above != room
            if own and FLOORS_OF_CORE.get(above, 9) >= FLOORS_OF_CORE[room]:
                faults.append(f"{path.relative_to(PACKAGE)}:{found.line}: {found.target}")
    assert not faults, "\n".join(faults)


def test_no_files_import_one_another_in_a_circle() -> None:
    assert circle_of(PACKAGE) == []


def test_files_are_small() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    too_long = [
        f"{path.relative_to(PACKAGE.parent)}: {size} lines"
        for path, size in sorted(sizes.items())
        if size > MOST_LINES
    ]
    assert not too_long, "\n".join(too_long)


def test_importing_jaxmeta_imports_no_extra() -> None:
    code = (
        "import sys, jaxmeta; extras = set(sys.argv[1:]) & set(sys.modules); "
        "sys.exit(f'imported: {sorted(extras)}' if extras else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *sorted(NEVER_AT_IMPORT)],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
    )
    assert done.returncode == 0, done.stderr


HOUSE = {
    "__init__.py": "from house.core import Table as Table\n",
    "errors.py": "",
    "core/__init__.py": "from ._table import Table as Table\n",
    "core/_table.py": "from ..errors import Fault\n",
    "operations/__init__.py": "",
    "operations/math.py": "from house.core import Table\nimport jax.numpy as jnp\n",
    "plot.py": "import matplotlib\n",
}


def _build(folder: Path, **changed: str) -> Path:
    package = folder / "house"
    for name, text in {**HOUSE, **changed}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


def test_a_sound_house_passes(tmp_path: Path) -> None:
    assert faults_of(_build(tmp_path), FLOORS) == []


LAZY = "def f():\n    from ..operations import math\n"
TYPING = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import house.operations.math
"""
UP = "'core' (floor 1) imports 'operations' (floor 2)"


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("core/_table.py", "from house.operations.math import add\n", f":1: {UP}"),
        ("core/_table.py", "\nimport house.operations\n", f":2: {UP}"),
        ("core/_table.py", LAZY, f":2: {UP}"),
        ("core/_table.py", TYPING, f":4: {UP}"),
        ("core/_table.py", "from .. import operations\n", f":1: {UP}"),
        (
            "core/_table.py",
            "import importlib\nimportlib.import_module('house.operations')\n",
            f":2: {UP}",
        ),
        ("core/_table.py", "import house\n", ":1: imports the front door"),
        ("core/_table.py", "from house import Table\n", ":1: imports the front door"),
        ("core/_table.py", "from .. import Table\n", ":1: imports the front door"),
        (
            "core/_table.py",
            "from house.core import Table\n",
            ":1: imports the door of its own room 'core'",
        ),
        ("core/_table.py", "from . import Table\n", ":1: imports the door of its own room"),
        (
            "core/_table.py",
            "def f():\n    import matplotlib.pyplot\n",
            ":2: 'core' imports the optional package 'matplotlib'",
        ),
        (
            "operations/math.py",
            "from ..io import mts\n",
            ":1: 'operations' (floor 2) imports 'io' (floor 2)",
        ),
        ("attic/old.py", "", ":1: the room 'attic' is on no floor"),
    ],
)
def test_a_breach_is_found(tmp_path: Path, file: str, text: str, fault: str) -> None:
    package = _build(tmp_path, **{"io/__init__.py": "", file: text})
    (found,) = faults_of(package, FLOORS)
    assert found.startswith(f"{Path('house') / file}{fault}")


def test_a_circle_is_found(tmp_path: Path) -> None:
    package = _build(
        tmp_path,
        **{
            "core/_table.py": "from ._rows import Row\n",
            "core/_rows.py": "def f():\n    from house.core._table import Table\n",
        },
    )
    assert set(circle_of(package)) == {"house/core/_rows.py", "house/core/_table.py"}


def test_a_sound_house_has_no_circle(tmp_path: Path) -> None:
    types = "if TYPE_CHECKING:\n    from ._table import Table\n"
    package = _build(
        tmp_path, **{"core/_table.py": "from . import _rows\n", "core/_rows.py": types}
    )
    assert circle_of(package) == []
