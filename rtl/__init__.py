"""The hardware, in Amaranth."""

import os

# Amaranth's own Verilog back end, whose version is pinned, whatever else is on the PATH.
os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
