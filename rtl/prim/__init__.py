"""Memories, arithmetic and vendor cells that all parts share."""
