"""The engines and policies that a network may have: searched in stages, each dearer and closer to the truth."""
