"""Sphinx: MyST pages as they are, nothing fetched while building."""

project = "ordertrace"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "ordertrace"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
