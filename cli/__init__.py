"""The command line: one thin module per command."""

import os

# Before NumPy is imported: the matrices here are small, and BLAS threads on them cost ten times what they save.
os.environ.setdefault("OMP_NUM_THREADS", "1")
