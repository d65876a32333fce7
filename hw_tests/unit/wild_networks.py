"""Random float networks of wild scales with inputs to match, and what compiling and running tell of their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstmith.compiler import compile_model
from lstmith.compiler.data import load_sequences
from lstmith.host.request import make_request
from lstmith.host.run import run_golden, summarise
from lstmith.spec.errors import UserError
from lstmith.spec.policy_check import default_policies

Floats = npt.NDArray[np.float64]
#: Errors of h above this must not go unsaid.
LIMIT = 1e-2
INPUTS = ("noise", "smooth", "spikes", "huge", "tiny", "rows", "offset", "zero", "sparse")
ORDINARY_INPUTS = ("noise", "smooth")


@dataclass(frozen=True)
class Wild:
    """A model with a way to draw inputs.

    Parameters
    ----------
    arrays : dict
        Of a model's .npz.
    ordinary : bool
        One scale of at most 3, no extreme bias, inputs of about unit size.
    kind : str
        Kind of the inputs.
    inputs, sequences, steps : int
    """

    arrays: dict[str, Floats]
    ordinary: bool
    kind: str
    inputs: int
    sequences: int
    steps: int

    def x(self, rng: np.random.Generator) -> Floats:
        """Fresh inputs, [N, T, I]."""
        shape = (self.sequences, self.steps, self.inputs)
        noise = rng.standard_normal(shape)
        if self.kind == "smooth":
            return sum((np.roll(noise, shift, axis=1) for shift in range(8)), np.zeros(shape)) / np.sqrt(8)
        if self.kind == "spikes":
            return np.where(rng.random(shape) < 0.01, 1e3 * noise, noise)
        if self.kind == "rows":
            return noise * 10.0 ** (3 * (np.arange(self.inputs) % 2))
        if self.kind == "sparse":
            return np.where(rng.random(shape) < 0.05, noise, 0.0)
        scale, offset = {"huge": (1e4, 0.0), "tiny": (1e-4, 0.0), "offset": (1.0, 100.0), "zero": (0.0, 0.0)}.get(
            self.kind, (1.0, 0.0)
        )
        return scale * noise + offset


def wild(seed: int) -> Wild:
    """Network ``seed``; about one in five is ordinary."""
    rng = np.random.default_rng([seed, 300])
    layers, inputs, units = int(rng.integers(1, 4)), int(rng.integers(1, 13)), int(rng.integers(2, 25))
    ordinary = rng.random() < 0.2
    shared = float(rng.choice([0.3, 1.0, 2.0, 3.0]))
    arrays: dict[str, Floats] = {}
    for index in range(layers):
        width = inputs if index == 0 else units
        scales = [shared, shared] if ordinary else 10.0 ** rng.uniform(-3, 2, 2)
        bias = rng.normal(0, 1.0, 4 * units)
        if not ordinary and rng.random() < 0.4:
            bias = bias * float(rng.choice([0.0, 10.0, 30.0, 100.0]))
        w_ih = rng.normal(0, scales[0] / np.sqrt(width), (4 * units, width))
        w_hh = rng.normal(0, scales[1] / np.sqrt(units), (4 * units, units))
        if not ordinary and rng.random() < 0.2:
            w_ih *= 10.0 ** rng.uniform(-2, 2, (4 * units, 1))
        arrays |= {f"l{index}_W_ih": w_ih, f"l{index}_W_hh": w_hh, f"l{index}_b_ih": bias}
        arrays[f"l{index}_b_hh"] = np.zeros(4 * units)
    kind = str(rng.choice(ORDINARY_INPUTS if ordinary else INPUTS))
    # Ordinary calibration is long enough that fresh inputs seldom go beyond it.
    sequences, steps = (4, 200) if ordinary else (int(rng.integers(1, 5)), int(rng.integers(30, 200)))
    return Wild(arrays, ordinary, kind, inputs, sequences, steps)


@dataclass(frozen=True)
class Told:
    """What a user learns of one network.

    Parameters
    ----------
    refused : str or None
        The message.
    compiled : tuple of str
        Remarks of ``compile``.
    ran : tuple of str
        Remarks of ``run`` on fresh inputs.
    held, fresh : float
        Largest error of h on held-back calibration data and on fresh inputs.
    """

    refused: str | None
    compiled: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()
    held: float = 0.0
    fresh: float = 0.0

    @property
    def silent(self) -> bool:
        """Whether an error above the limit went unsaid: by compiling, or by a run whose design knew nothing of it."""
        return (self.held > LIMIT and not self.compiled) or (self.fresh > LIMIT and not (self.compiled or self.ran))


def judged(case: Wild, seed: int, folder: Path) -> Told:
    """Compile a network at 16 bit on some inputs and run it on others."""
    model, data, fresh = (folder / name for name in ("m.npz", "x.npz", "fresh.npz"))
    rng = np.random.default_rng([seed, 301])
    np.savez(model, **case.arrays)  # type: ignore[arg-type]
    for path in (data, fresh):
        np.savez(path, x=case.x(rng).astype(np.float32))
    try:
        design = compile_model(model, data, precision="16", target="generic", lanes=1, planes=1)
    except UserError as error:
        return Told(str(error))
    policies = default_policies(design.network, design.engine)
    request = make_request(design, load_sequences(fresh, design.source), policies)
    figures = summarise(request, "golden", run_golden(request))
    report = design.report
    told = tuple(report["remarks"]), tuple(figures["remarks"])
    return Told(None, *told, report["error"]["max"], figures["max_abs_error"])
