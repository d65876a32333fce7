"""Engines that fit a board."""
