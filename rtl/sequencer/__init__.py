"""Walks steps, layers and folds, and issues list entries."""
