"""Sphinx: how the documents become a site; ``scripts/docs/site.py`` calls it."""

import importlib.util
import logging
import os
import sys
from pathlib import Path

from jupyter_client import KernelManager

project = "lstmith"
html_title = "lstmith"
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
# Links in Markdown are checked; Python names in docstrings are words first.
nitpicky = False
# Notebooks are text; what they print and draw is made anew with every site, in a folder that is then removed.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "error"
nb_merge_streams = True
# An extra that not every machine has: without it, this page is code alone.
nb_execution_excludepatterns = [] if importlib.util.find_spec("torch") else ["notebooks/pytorch.md"]
# Their shell cells call lstmith by its name, which is beside the interpreter, and its progress is no part of a page.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ |= {"TTY_COMPATIBLE": "0", "NO_COLOR": "1"}
# Kernels warn of a transport without encryption, and their manager tells what it runs: neither is wrong.
KernelManager.transport_encryption.default_value = "auto"
logging.getLogger("traitlets").setLevel(logging.WARNING)
