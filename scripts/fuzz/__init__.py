"""Files and devices that mean harm, at the command line's entry points."""
