"""`lstmith bench seq2seq`."""
