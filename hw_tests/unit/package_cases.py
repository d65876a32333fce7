"""Packages for the tests: a small network, and what an integrator has on the machine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler import compile_model
from lstmith.compiler.chains import Chain, compile_chains
from lstmith.compiler.design import Design
from lstmith.spec.codes import Verdict

WIDTH, UNITS, STEPS = 3, 5, 60


#: Rows of a layer's arrays per unit.
ROWS = {"lstm": 4, "gru": 3}


def small_design(rng: np.random.Generator, layers: int = 1, kind: str = "lstm", **options: Any) -> Design:
    """A random network of one or more layers of a kind."""
    rows = ROWS[kind] * UNITS
    arrays: dict[str, np.ndarray] = {}
    for index in range(layers):
        inputs = UNITS if index else WIDTH
        shapes = {"W_ih": (rows, inputs), "W_hh": (rows, UNITS), "b_ih": (rows,), "b_hh": (rows,)}
        prefix = f"l{index}_" if layers > 1 else ""
        arrays[f"{prefix}kind"] = np.array(kind)
        arrays |= {f"{prefix}{key}": rng.normal(0, 0.5, shape) for key, shape in shapes.items()}
    x = rng.normal(0, 1, (2, STEPS, WIDTH)).astype(np.float32)
    return compile_model(arrays, x, **{"target": "generic", "lanes": 2, **options})


def several_programs(rng: np.random.Generator) -> Design:
    """Two programs that take up each other's states, and one of two layers that has nothing to do with them."""
    networks = {"encoder": random_network(rng, UNITS, WIDTH), "decoder": random_network(rng, UNITS, WIDTH + 1)}
    networks["stack"] = random_network(rng, UNITS - 1, WIDTH, layers=2)
    chains = [
        Chain(name, network, random_calibration(rng, network).x, "encoder" if name == "decoder" else None)
        for name, network in networks.items()
    ]
    return compile_chains(chains, target="generic", lanes=2)


def with_verdict(design: Design, verdict: Verdict) -> Design:
    """The same design, whose last layer tells a verdict, if any."""
    *layers, last = design.network.layers
    network = replace(design.network, layers=(*layers, replace(last, verdict=verdict)))
    return replace(design, network=network, engine=replace(design.engine, verdicts=verdict is not Verdict.NONE))


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in a folder, without Python's paths of this process."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    # Whatever a bench does, it ends.
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
