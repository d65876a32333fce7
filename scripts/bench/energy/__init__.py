"""`lstmith bench energy`."""
