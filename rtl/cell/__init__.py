"""The cell unit: from the row sums of the array to cell state and h."""
