"""`lstmith bench trained`."""
