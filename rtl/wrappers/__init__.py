"""The engine behind standard buses: AXI4-Stream with AXI4-Lite, and Wishbone B4."""
