"""Sphinx: how the documents become a site; ``scripts/docs/site.py`` calls it."""

project = "lstmith"
html_title = "lstmith"
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
# Links in Markdown are checked; Python names in docstrings are words first.
nitpicky = False
