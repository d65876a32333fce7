"""Recordings and model files: where they come from; only a checkout has them."""
