"""`lstmith bench link`."""
