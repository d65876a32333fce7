"""What symbols are worth: columns and cycles per step of the workloads that embed them, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.cli.console import progress
from lstmith.compiler.program_image import words_per_lane
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatNetwork, padded
from lstmith.scripts.bench.adaptive.networks import Static, engine_for, lanes_for, quantised
from lstmith.spec.policy import Mode, Policy
from lstmith.workloads import g2p, icu_thai, textgenrnn
from lstmith.workloads.workload import Float32, Workload

#: Held-out sequences that are run.
SEQUENCES = 64
MODES = {"dense": Policy(Mode.DENSE), "auto": Policy(Mode.AUTO)}
_Tables = Mapping[str, Float32]


def run_symbols() -> dict[str, Any]:
    """Figures of each network by its title: W8A8, two planes, from zero states, as JSON values."""
    words = g2p.load()
    thai = icu_thai.shipped_model().embedding
    subjects: list[tuple[Workload, _Tables]] = [
        (textgenrnn.load(), {textgenrnn.NETWORK: textgenrnn.shipped_model().embedding}),
        (words, words.embeddings),
        (icu_thai.load(), {icu_thai.FORWARD: thai, icu_thai.BACKWARD: thai}),
    ]
    named = [(workload, name, table) for workload, tables in subjects for name, table in tables.items()]
    found = {}
    with progress("symbols", len(named)) as report:
        for done, (workload, name, table) in enumerate(named):
            title = name if name == workload.name else f"{workload.name}, {name}"
            xs = workload.inputs("heldout")[name][:SEQUENCES]
            found[title] = symbol_figures(workload.networks[name], table, workload.calibration[name], xs)
            report(done + 1)
    return found


def symbol_figures(
    source: FloatNetwork, table: Float32, calibration: list[Float32], xs: list[Float32]
) -> dict[str, Any]:
    """Figures of a network with its embedding on the host, and with a column per symbol.

    Parameters
    ----------
    source : FloatNetwork
        That reads rows of the table.
    table : float32 [K, I]
    calibration, xs : list of float32 [T, I]
        What it is calibrated and run on.
    """
    first, *others = source.layers
    folded = FloatNetwork((replace(first, w_ih=first.w_ih @ table.T.astype(np.float64), symbols=True), *others))
    return {
        "symbols": len(table),
        "inputs": source.inputs,
        "lanes": lanes_for(source),
        "before": _figures(source, calibration, xs),
        "after": _figures(folded, numbers_of(table, calibration), numbers_of(table, xs)),
    }


def numbers_of(table: Float32, xs: list[Float32]) -> list[Float32]:
    """The numbers of rows of a table: float32 [T, I] to float32 [T, 1]."""
    place = {row.tobytes(): number for number, row in enumerate(table)}
    return [np.array([[place[row.tobytes()]] for row in x.astype(table.dtype)], dtype=np.float32) for x in xs]


def _figures(source: FloatNetwork, calibration: list[Float32], xs: list[Float32]) -> dict[str, Any]:
    network = quantised(source, calibration, Static(8, 8))
    config = engine_for(network, lanes_for(source))
    batch, lengths = padded(xs)
    valid: npt.NDArray[np.bool_] = np.arange(batch.shape[1]) < lengths[:, None]
    found: dict[str, Any] = {"words_per_lane": words_per_lane(network, config)}
    for name, policy in MODES.items():
        policies = [policy] * len(network.layers)
        traces = GoldenModel(network, config).run(network.quantise_input(batch), policies)
        cycles = CycleModel(network, config).cycles(traces, policies, valid=valid)
        found[name] = {
            "x_columns_per_step": float((traces[0].x_planes != 0).sum(axis=2)[valid].mean()),
            "columns_per_step": float(traces[0].columns[valid].mean()),
            "cycles_per_step": float(cycles[valid].mean()),
        }
    return found
