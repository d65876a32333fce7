"""Model files to float networks, and the graph around them."""
