"""The engines and policies that a network may have: searched in levels, each dearer and closer to the truth."""
