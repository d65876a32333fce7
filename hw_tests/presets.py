"""Presets for tests: a tier's tests take their engines from the presets that claim it."""

from __future__ import annotations

from lstmith.spec.presets import PRESETS, Preset, Tier


def claiming(tier: Tier) -> list[Preset]:
    """The presets that say they were verified this way."""
    return [each for each in PRESETS if tier in each.tiers]
