"""How far random networks are from float64 on the engine, and why."""
