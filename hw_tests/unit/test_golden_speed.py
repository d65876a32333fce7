"""How fast the golden model runs."""

from __future__ import annotations

import time

import numpy as np

from hw_tests.cocotb.random_networks import random_network
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy


def test_speed() -> None:
    """Far below what an idle machine does (about 3 times more), and the best of several tries counts."""
    rng = np.random.default_rng(5)
    network = random_network(rng, [128, 128], (8,), peepholes=False, requant_width=18)
    model = GoldenModel(network, EngineConfig(lanes=64, precisions=(8,), acc_width=40, operand_width=18))
    wanted = {1: 2_500, 32: 20_000}

    def rate(sequences: int) -> float:
        x = rng.integers(-3000, 3000, (sequences, 200, 128)).astype(np.int16)
        begin = time.process_time()
        model.run(x, [Policy()])
        return sequences * 200 / (time.process_time() - begin)

    for sequences, least in wanted.items():
        assert any(rate(sequences) >= least for _ in range(20)), f"{sequences} sequences below {least} steps/s"
