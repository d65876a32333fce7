"""Real trained LSTMs with recorded data and a measure of quality, to judge engines and policies on."""
