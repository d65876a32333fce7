"""`lstmith bench perf`."""
