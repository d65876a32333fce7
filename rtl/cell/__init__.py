"""From row sums to c and h."""
