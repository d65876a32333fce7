"""`lstmith bench campaign`."""
