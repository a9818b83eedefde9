"""Sphinx: Markdown by MyST, docstrings by numpydoc. Build: sphinx-build -W docs docs/_build."""

import importlib.metadata

project = "softlane"
author = "The softlane developers"
copyright = "2026, The softlane developers"
version = release = importlib.metadata.version("softlane")
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
numpydoc_show_class_members = False
