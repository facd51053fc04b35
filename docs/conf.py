"""Sphinx builds the manual from this; pages with code cells are run while building."""

from __future__ import annotations

import importlib.metadata


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
