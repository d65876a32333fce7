"""A design on any engine, in one call: what ``lstmith run`` does before it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from lstmith.compiler.calls import read_calls
from lstmith.compiler.data import Sequences, SequenceSource, read_sequences
from lstmith.compiler.design import Design
from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.run_result import RunResult
from lstmith.host.energy import DEFAULT, find_constants
from lstmith.host.request import RunRequest, make_request
from lstmith.host.results import EngineRun
from lstmith.host.run import ENGINES, run_engine, summarise
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.policy_check import check_policies, default_policies
from lstmith.spec.policy_file import load_policy, parse_policies

#: A policy file, or the JSON object that one holds; one policy for all layers, or one for each.
PolicySource: TypeAlias = "str | Path | Mapping[str, Any] | Policy | Sequence[Policy]"


def run_design(
    design: Design,
    x: SequenceSource | Feeds,
    engine: str = "golden",
    *,
    policy: PolicySource | None = None,
    port: str | None = None,
    baud: int | None = None,
    energy: str | None = None,
    program: int | str | None = None,
    after: RunRequest | None = None,
    stateful: bool = False,
    progress: Callable[[int], None] | None = None,
) -> RunResult:
    """Run a design on sequences, and compare it with the golden model and with float; see :meth:`.Design.run`."""
    check_engine(engine, port, energy)
    if program is not None:
        # A program that is asked for runs by itself, without the graph around it.
        design = replace(design.select(program), graph=None)
    found = read_input(design, x, stateful=stateful)
    if isinstance(found, Sequences):
        request = read_request(design, found, policy, after)
        return run_request(request, engine, port=port, baud=baud, energy=energy, progress=progress)
    # onnxruntime is imported for designs that have a graph.
    from lstmith.host.graph_run import run_graph

    def run_stage(request: RunRequest) -> tuple[RunRequest, EngineRun, dict[str, Any], str]:
        return _run(request, engine, port, baud, energy, progress)

    return run_graph(design, found, engine, lambda chosen: checked_policies(chosen, policy), run_stage)


def read_input(design: Design, x: SequenceSource | Feeds, *, stateful: bool = False) -> Sequences | Feeds:
    """What a design is run on: sequences of its only stage, or calls of its graph; see :func:`.calls.read_calls`.

    Raises
    ------
    UserError
        If a file or a field of it is wrong.
    """
    networks = [design.source] if design.graph is None else [program.source for program in design.programs]
    return read_calls(x, design.graph, networks, "input", stateful=stateful)


def check_engine(engine: str, port: str | None, energy: str | None = None) -> None:
    """Refuse an engine that is not there, a port where none belongs, and unknown constants.

    Raises
    ------
    UserError
    """
    if engine not in ENGINES:
        raise UserError("option --engine", f"{engine!r} is unknown", f"use one of {', '.join(ENGINES)}")
    if port is not None and engine != "board":
        raise UserError("option --port", f"is for a board, not for {engine}", "leave it out")
    if port is None and engine == "board":
        raise UserError("option --port", "is missing", "give the board's serial port, see 'lstmith devices'")
    find_constants(energy or DEFAULT)


def read_request(
    design: Design, x: SequenceSource, policy: PolicySource | None = None, after: RunRequest | None = None
) -> RunRequest:
    """The selected program of a design with sequences and policies; without any, the default policy.

    ``after`` is the run whose states it begins in, see :class:`.RunRequest`.

    Raises
    ------
    UserError
        If a file is wrong, or the policy asks for what the design cannot do.
    """
    return make_request(design, read_sequences(x, design.source, "input"), checked_policies(design, policy), after)


def checked_policies(design: Design, policy: PolicySource | None) -> list[Policy]:
    """Policies for each layer of a design; without any, the default ones.

    Raises
    ------
    UserError
        If a file is wrong, or the policy asks for what the design cannot do.
    """
    policies = _policies(design, policy)
    try:
        check_policies(design.network, design.engine, policies)
    except ValueError as error:
        problem, _, fix = str(error).partition(": ")
        where = str(policy) if isinstance(policy, str | Path) else "policy"
        raise UserError(where, problem, fix or "change the policy or compile the network for it") from None
    return policies


def run_request(
    problem: RunRequest,
    engine: str,
    *,
    port: str | None = None,
    baud: int | None = None,
    energy: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> RunResult:
    """Run a request that was read before; see :meth:`.Design.run`."""
    problem, run, figures, verified = _run(problem, engine, port, baud, energy, progress)
    if problem.design.graph is not None:
        figures["placement"] = problem.design.graph.placement_figures
    return RunResult.of(run.arrays(), figures, single=problem.sequences.single, verified=verified)


def _run(
    request: RunRequest,
    engine: str,
    port: str | None,
    baud: int | None,
    energy: str | None,
    progress: Callable[[int], None] | None,
) -> tuple[RunRequest, EngineRun, dict[str, Any], str]:
    """The request as it was run, results, figures, and what a board verified."""
    verified = ""
    if port is None:
        run = run_engine(request, engine, progress)
    else:
        request, run, verified = _run_on_board(request, port, baud, progress)
    return request, run, summarise(request, engine, run, energy or DEFAULT), verified


def _run_on_board(
    problem: RunRequest, port: str, baud: int | None, progress: Callable[[int], None] | None
) -> tuple[RunRequest, EngineRun, str]:
    # The link is imported by those who have a board.
    from lstmith.host.accelerator import Accelerator

    with Accelerator(port, baud=baud) as accelerator:
        accelerator.load(problem.design, problem.policies)
        # The board's engine may have other lanes than the one the design was compiled for.
        problem = replace(problem, design=accelerator.design)
        return problem, accelerator.run(problem, progress), str(accelerator.verified)


def _policies(design: Design, policy: PolicySource | None) -> list[Policy]:
    layers = len(design.network.layers)
    if policy is None:
        return default_policies(design.network, design.engine)
    if isinstance(policy, str | Path):
        return load_policy(Path(policy), layers)
    if isinstance(policy, Policy):
        return [policy] * layers
    return parse_policies(policy, layers, "policy") if isinstance(policy, Mapping) else list(policy)
