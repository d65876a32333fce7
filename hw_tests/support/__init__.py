"""Doubles and stimulus that tests and benches share; nothing of the product imports them."""
