"""Measurements behind the figures of the documents."""
