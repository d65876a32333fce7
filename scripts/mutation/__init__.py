"""Mutants of the hardware, the golden model and the compiler, and whether the tests of a file notice them."""
