"""One number for the weights an engine holds, so that a driver need not send what is there."""

from __future__ import annotations

import zlib

import numpy as np

from .config import EngineConfig
from .image import Image


def image_tag(image: Image, config: EngineConfig) -> int:
    """CRC-32 over everything of an image but its policy: weights, rows, peepholes, predictor.

    Parameters
    ----------
    image : Image
    config : EngineConfig

    Returns
    -------
    int
        Never 0, which stands for no weights.
    """
    policy = len(list(image.policy_writes()))
    writes = np.array(list(image.bus_writes(config))[policy:], dtype="<u4")
    return zlib.crc32(writes.tobytes()) or 1
