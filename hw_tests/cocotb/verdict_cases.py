"""Engines and networks with verdicts, and what such an engine answers if it sends nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw_tests.cocotb.core_cases import Case
from lstmith.host.jobs import CoreJob
from lstmith.spec.codes import VERDICT_BITS, Verdict
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import IntArray, QuantNetwork
from lstmith.spec.registers import Region, Register, address


def with_verdicts(
    rng: np.random.Generator, config: EngineConfig, networks: list[QuantNetwork]
) -> tuple[EngineConfig, list[QuantNetwork]]:
    """The same engine with verdicts, and networks that have one, all kinds in turn where the last layer is small."""
    judging, turn = [], int(rng.integers(3))
    for index, network in enumerate(networks, turn):
        layers = [replace(layer, counts=(), skims=False, reduced_bias=None, idle_h=None) for layer in network.layers]
        last = layers[-1]
        choices = (
            [Verdict.ARGMAX] if last.units > VERDICT_BITS else [Verdict.ARGMAX, Verdict.THRESHOLD, Verdict.AT_MOST]
        )
        verdict = choices[index % len(choices)]
        layers[-1] = replace(last, verdict=verdict, threshold=int(rng.choice([-9000, -1, 0, 9000])))
        judging.append(replace(network, layers=tuple(layers)))
    return replace(config, verdicts=True, active_counts=1), judging


def verdicts_alone(case: Case) -> tuple[CoreJob, IntArray]:
    """The job of a case on an engine that sends the last layer's results only, and all of them: int64 [K, 4]."""
    last = case.layers[-1]
    told = last.verdict[0][~last.skipped[0]]
    signed = (told ^ (1 << (VERDICT_BITS - 1))) - (1 << (VERDICT_BITS - 1))
    index = np.full(len(told), len(case.layers) - 1)
    job = replace(case.job, writes=[*case.job.writes, (address(Region.CONTROL, Register.OUTPUT_ALL), 0, 0)])
    return job, np.stack([signed, 0 * told, index, 0 * told + 1], axis=1)
