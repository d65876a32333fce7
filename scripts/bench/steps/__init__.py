"""`lstmith bench steps`."""
