"""Float networks to integers."""
