"""Coverage: functional bins of a plan, lines and toggles of the hardware, lines and branches of Python."""
