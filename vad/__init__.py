"""Silero VAD on an engine: sound in, where speech is out."""
