"""Column lists: which columns a step adds."""
