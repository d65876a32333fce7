"""What model, hardware, compiler and host agree on: formats, registers, latencies. Imports nothing of the project."""
