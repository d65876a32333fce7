"""The systolic array: lanes with their weights."""
