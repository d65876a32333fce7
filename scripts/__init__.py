"""The commands and what they show."""

import os

# Before NumPy is imported: the matrices here are small, and BLAS threads on them cost ten times what they save.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The Verilog back end whose version is pinned, whatever else is on the PATH.
os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
