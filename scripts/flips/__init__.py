"""Single bit flips in registers and memories of a running core."""
