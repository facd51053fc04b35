"""Sphinx builds the manual from this; pages with code cells are run while building."""

from __future__ import annotations

import importlib.metadata
import re
from typing import Any


project = "jaxmeta"
author = "jaxmeta developers"
copyright = f"2026, {author}"
version = release = importlib.metadata.version("jaxmeta")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "jupyter_execute", "**.ipynb_checkpoints"]
default_role = "code"

html_theme = "furo"
html_title = f"jaxmeta {version}"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False


# Stands for a colon while napoleon looks on.
HIDDEN = "\ufdd0"


def _prepare(_app: Any, what: str, *others: Any) -> None:
    """Keep prose from being read as markup.

    A shape such as (samples, *components) is no emphasis that lacks its end, and what
    stands before a colon in the docstring of a property is not its type.
    """
    lines = others[-1]
    lines[:] = [re.sub(r"(?<![`*\w\\])\*(\w+)(?![\w*])", r"\\*\1", line) for line in lines]
    if what in ("attribute", "data", "property"):
        lines[:] = [line.replace(":", HIDDEN) for line in lines]


def _restore(*arguments: Any) -> None:
    lines = arguments[-1]
    lines[:] = [line.replace(HIDDEN, ":") for line in lines]


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", _prepare, priority=400)
    app.connect("autodoc-process-docstring", _restore, priority=600)
