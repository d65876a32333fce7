"""From a design to a bitstream on a board: synthesis, placement, routing, programming."""
