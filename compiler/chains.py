"""Several chains of layers to one design: programs of one engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lstmith.boards.catalogue import DEFAULT
from lstmith.compiler.accuracy import measure
from lstmith.compiler.data import SequenceSource, read_sequences
from lstmith.compiler.design import Design
from lstmith.compiler.options import AUTO, CompileOptions
from lstmith.compiler.programs import Program
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.quantise import Quantised, quantise
from lstmith.compiler.remarks import remarks
from lstmith.compiler.sizing.programs import size_programs
from lstmith.compiler.sizing.size import limits_for
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import PRECISIONS, PROGRAMS
from lstmith.spec.errors import UserError

#: Takes one line of text: a stage of the work, or a remark.
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Chain:
    """A chain of layers to compile.

    Parameters
    ----------
    name : str
        Of its program; no two chains have the same.
    network : FloatNetwork
    calibration : str, Path, array, mapping or Sequences
        Typical inputs of its first layer, and typical initial states where it takes states over.
    keeps : str or None
        Name of an earlier chain of as many units in every layer, whose states this one may begin in.
    """

    name: str
    network: FloatNetwork
    calibration: SequenceSource
    keeps: str | None = None


def compile_chains(
    chains: Sequence[Chain],
    *,
    precision: int | str = 8,
    activations: int | None = None,
    target: str = DEFAULT,
    lanes: int | None = None,
    mac: str = "dsp",
    planes: int | str = AUTO,
    delta: bool = True,
    progress: Tell | None = None,
    remark: Tell | None = None,
) -> Design:
    """Quantise chains of layers, and size one engine that holds all of them.

    Every program starts from zero states at the same place; so those that are compiled with ``keeps`` can take up each
    other's. Chains of equal layers are stored once if they have equal calibration data.

    Parameters
    ----------
    chains : sequence of Chain
        In order: the number of a chain is its program's. One chain alone gives the design that it gives by itself.
    precision, activations, target, lanes, mac, planes, delta
        See :class:`~lstmith.compiler.options.CompileOptions`; the same for all chains.
    progress : callable or None
        Called with the name of each stage.
    remark : callable or None
        Called with each remark.

    Returns
    -------
    Design
        Program 0 is selected. ``report`` has ``programs`` by name, each with ``quantisation`` and ``error``.

    Raises
    ------
    UserError
        If a chain or an option is wrong, or the chains do not fit the target.
    """
    options = CompileOptions(precision, activations, target, lanes, mac, planes=planes, delta=delta)
    stage, told = progress or _nobody, remark or _nobody
    _check(chains)
    data = [
        read_sequences(chain.calibration, chain.network, f"calibration of {chain.name}").calibration()
        for chain in chains
    ]
    stage("choosing number formats")
    found = _quantised(chains, data, options)
    stage("sizing the engine")
    programs = [
        Program(chain.name, quantised.network, chain.network) for chain, quantised in zip(chains, found, strict=True)
    ]
    engine, sizing = size_programs(programs, options)
    stage("measuring the error")
    reports: dict[str, Any] = {}
    texts: list[str] = []
    worst = None
    for program, quantised, calibration in zip(programs, found, data, strict=True):
        error = measure(program.source, program.network, engine, calibration)
        worst = error if worst is None or error.mean > worst.mean else worst
        automatic = options.weight_bits is None
        numbers = remarks(
            program.source, program.network, engine, calibration, quantised.layers, error, automatic=automatic
        )
        texts += [f"{program.name}: {text}" if len(programs) > 1 else text for text in numbers]
        reports[program.name] = {"quantisation": quantised.summary(), "error": error.summary()}
    for text in texts:
        told(text)
    assert worst is not None
    report = {
        "quantisation": found[0].summary(),
        "sizing": sizing.summary(),
        "error": worst.summary(),
        "remarks": texts,
        "programs": reports,
    }
    return Design(engine, programs[0].network, programs[0].source, target, None, report, tuple(programs))


def _nobody(text: str) -> None:
    """Where stages and remarks go that nobody asked for."""


def _check(chains: Sequence[Chain]) -> None:
    if not 1 <= len(chains) <= PROGRAMS:
        raise UserError("chains", f"are {len(chains)}", f"give 1 to {PROGRAMS}, the most programs of an engine")
    seen: dict[str, list[int]] = {}
    for chain in chains:
        units = [layer.units for layer in chain.network.layers]
        if chain.name in seen:
            raise UserError("chains", f"have the name {chain.name!r} twice", "give every chain its own")
        if chain.keeps is not None and seen.get(chain.keeps) != units:
            known = f"has {seen[chain.keeps]} units" if chain.keeps in seen else "is no earlier chain"
            raise UserError(
                f"chain {chain.name!r} field keeps",
                f"names {chain.keeps!r}, which {known}; {chain.name!r} has {units}",
                "name an earlier chain of as many units in every layer",
            )
        seen[chain.name] = units


def _quantised(chains: Sequence[Chain], data: Sequence[Calibration], options: CompileOptions) -> list[Quantised]:
    """Every chain in integers; those that take over states have the coarser of the cell formats."""
    board = options.board

    def run(index: int, c_fracs: list[int] | None) -> Quantised:
        return quantise(
            chains[index].network,
            data[index],
            precision=AUTO if options.weight_bits is None else [options.weight_bits],
            activation_bits=options.activation_bits,
            limits=limits_for(board, options.engine_planes),
            allowed=PRECISIONS if board is None else board.precisions,
            c_fracs=c_fracs,
        )

    found = [run(index, None) for index in range(len(chains))]
    for group in _groups(chains):
        formats = [[layer.c_frac for layer in found[index].network.layers] for index in group]
        shared = [min(fracs) for fracs in zip(*formats, strict=True)]
        for index, own in zip(group, formats, strict=True):
            if own != shared:
                found[index] = run(index, shared)
        _check_units(chains, found, group)
    return found


def _check_units(chains: Sequence[Chain], found: Sequence[Quantised], group: Sequence[int]) -> None:
    """Refuse states of recurrent ReLU layers whose h has another unit in each chain."""
    for layers in zip(*(found[index].network.layers for index in group), strict=True):
        if layers[0].recurrent and len({layer.h_lsb for layer in layers}) > 1:
            names = ", ".join(repr(chains[index].name) for index in group)
            raise UserError(
                f"chains {names}",
                "hand over the state of a plain layer with ReLU, whose range differs from chain to chain",
                "calibrate them on the same data, or keep no state between them",
            )


def _groups(chains: Sequence[Chain]) -> list[list[int]]:
    """Chains that take over each other's states, by number."""
    groups: dict[str, list[int]] = {}
    roots: dict[str, str] = {}
    for index, chain in enumerate(chains):
        roots[chain.name] = roots[chain.keeps] if chain.keeps is not None else chain.name
        groups.setdefault(roots[chain.name], []).append(index)
    return list(groups.values())
