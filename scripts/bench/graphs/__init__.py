"""`lstmith bench graphs`."""
