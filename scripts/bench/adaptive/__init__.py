"""`lstmith bench adaptive`."""
