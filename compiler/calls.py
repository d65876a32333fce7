"""Calls of a graph from ``X.npz``: by the names of the graph's inputs, or as ``x`` that its first layer sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.archive import read_archive
from lstmith.compiler.data import Sequences, SequenceSource, arrays_of, read_sequences, sequences_of
from lstmith.compiler.importers.feeds import Feeds
from lstmith.golden.network import FloatArray, FloatNetwork, initial_state
from lstmith.spec.errors import UserError

if TYPE_CHECKING:
    from lstmith.compiler.importers.plan import Plan
    from lstmith.compiler.importers.stage_run import StageInput

#: Fields beside a graph's inputs that other commands read.
_OTHERS = ("y",)
_SUFFIX = "give an .npz file that numpy.savez wrote"


def read_calls(
    given: SequenceSource | Feeds,
    plan: Plan | None,
    networks: Sequence[FloatNetwork],
    name: str,
    *,
    stateful: bool = False,
) -> Feeds | Sequences:
    """What a model is run on, in a form that its stages can be run from.

    Parameters
    ----------
    given : str or Path, array, mapping, Sequences or Feeds
        Arrays by the names of the graph's inputs, each ``[calls, *shape of the input]``; or ``x`` as the first
        recurrent layer sees it, see :func:`~.data.load_sequences`.
    plan : Plan or None
    networks : sequence of FloatNetwork
        The plan's programs.
    name : str
        What messages call data in memory.
    stateful : bool
        Every call starts where the one before ended.

    Returns
    -------
    Feeds or Sequences
        Sequences where ``x`` is all that a single forward stage needs.

    Raises
    ------
    UserError
        If a field is missing, unknown, or has a wrong shape, type or value.
    """
    if isinstance(given, Sequences | Feeds):
        return given
    if plan is None:
        if stateful:
            raise UserError(name, "has no calls that could go on", "leave --stateful out, or give an ONNX model")
        return read_sequences(given, networks[0], name)
    source = str(given) if isinstance(given, str | Path) else name
    arrays = read_archive(Path(given), _SUFFIX) if isinstance(given, str | Path) else arrays_of(given, name)
    first = networks[plan.stages[0].program]
    if reads_by_name(arrays, plan, first):
        return _feeds(arrays, plan, source, stateful=stateful)
    if stateful:
        raise UserError(f"{source} field x", "holds sequences, not calls", "leave --stateful out")
    stage, *others = plan.stages
    if not others and not stage.reverse:
        if stage.lengths and "lengths" not in arrays and _is_call(arrays, plan):
            return _feeds({"x": arrays["x"][None]}, plan, source, stateful=False)
        return sequences_of(arrays, first, source)
    return _feeds_of_x(sequences_of(arrays, first, source), plan)


def program_sequences(
    found: Feeds | Sequences, plan: Plan | None, networks: tuple[FloatNetwork, ...]
) -> list[Sequences]:
    """What each program's first layer sees, from running the graph in float.

    Parameters
    ----------
    found : Feeds or Sequences
        From `read_calls`.
    plan : Plan or None
    networks : tuple of FloatNetwork
    """
    if isinstance(found, Sequences):
        return [found]
    # onnx is imported for models that have a graph.
    from lstmith.compiler.importers.plan_run import PlanRun, run_in_float

    assert plan is not None
    given: list[list[StageInput]] = [[] for _ in networks]

    def record(stage: int, sequences: StageInput) -> Any:
        program = plan.stages[stage].program
        given[program].append(sequences)
        return run_in_float(networks[program], sequences)

    PlanRun(plan, networks).run(found, record)
    moved = [all(stage.moved for stage in plan.stages if stage.program == program) for program in range(len(networks))]
    return [
        replace(stage_sequences(inputs, network, found.source), moved=only_h)
        for inputs, network, only_h in zip(given, networks, moved, strict=True)
    ]


def stage_sequences(inputs: Sequence[StageInput], network: FloatNetwork, source: str) -> Sequences:
    """Inputs of one program's stages side by side, padded to the longest."""
    longest = max(item.x.shape[1] for item in inputs)
    x = [np.pad(item.x, ((0, 0), (0, longest - item.x.shape[1]), (0, 0))) for item in inputs]
    state: list[tuple[FloatArray, FloatArray]] | None = None
    if any(item.state is not None for item in inputs):
        by_input = [item.state or [initial_state(layer, len(item.x)) for layer in network.layers] for item in inputs]
        state = [
            (np.concatenate([h for h, _ in pairs]), np.concatenate([c for _, c in pairs]))
            for pairs in zip(*by_input, strict=True)
        ]
    lengths = np.concatenate([item.lengths for item in inputs])
    if not lengths.sum():
        raise UserError(source, "leads to sequences without a step", "give at least one step")
    return Sequences(np.concatenate(x).astype(np.float32), lengths, False, state, source)


def reads_by_name(arrays: Mapping[str, npt.NDArray[Any]], plan: Plan, first: FloatNetwork) -> bool:
    """Whether the arrays are graph inputs with a leading axis of calls.

    A graph may call an input ``x``, so names alone do not tell. Of a graph that runs a step per call, ``x`` is as the
    layer sees it wherever its width is the layer's.
    """
    if "x" not in arrays:
        return True
    x = arrays["x"]
    if "x" in plan.inputs and x.ndim not in (2, 3) and not _is_call(arrays, plan):
        return True
    if not set(plan.inputs) <= set(arrays):
        return False
    if plan.one_step and x.ndim in (2, 3) and x.shape[-1] == first.inputs:
        return False
    return "x" in plan.inputs and _fits(x.shape[1:], plan.shape_of("x"))


def _is_call(arrays: Mapping[str, npt.NDArray[Any]], plan: Plan) -> bool:
    """Whether ``x`` is the graph's only input, and a single call of it."""
    return plan.inputs == ("x",) and _fits(arrays["x"].shape, plan.shape_of("x"))


def _fits(shape: Sequence[int], declared: Sequence[int | str]) -> bool:
    return len(shape) == len(declared) and all(
        size == wanted or isinstance(wanted, str) for size, wanted in zip(shape, declared, strict=True)
    )


def _feeds(arrays: Mapping[str, npt.NDArray[Any]], plan: Plan, source: str, *, stateful: bool) -> Feeds:
    known = (*plan.inputs, *plan.state_inputs)
    for name in arrays:
        if name not in (*known, *_OTHERS):
            told = ", ".join(each for each in known if each != "x")
            also = f"{told}, or x" if told else "x"
            raise UserError(f"{source} field {name}", "is no input of the graph", f"use {also}")
    given: dict[str, npt.NDArray[Any]] = {}
    for name in known:
        if name in arrays:
            given[name] = _call_array(arrays[name], name, plan, source)
        elif name in plan.inputs:
            others = ", ".join(each for each in plan.inputs if each != name)
            wanted = f"give {_shape(name, plan)}" + (f", and the other inputs {others}" if others else "")
            raise UserError(f"{source} field {name}", "is missing", f"{wanted}; or x as the first layer sees it")
    counts = {name: len(value) for name, value in given.items() if value.ndim}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise UserError(source, f"holds different numbers of calls: {told}", "give all inputs the same leading size")
    calls = next(iter(counts.values()), 1)
    if not calls:
        raise UserError(source, "holds no call", "give at least one")
    # A scalar of each call stays an array.
    values = [
        {name: np.asarray(value[call]) if value.ndim else value for name, value in given.items()}
        for call in range(calls)
    ]
    return Feeds(values, source, stateful)


def _call_array(value: npt.NDArray[Any], name: str, plan: Plan, source: str) -> npt.NDArray[Any]:
    """An input of all calls in the graph's type; a scalar is the same for all."""
    from lstmith.compiler.importers.parts import dtype_of

    where, declared = f"{source} field {name}", plan.shape_of(name)
    kind = dtype_of(plan.graph_types[name].elem_type)
    if value.dtype.kind not in "fiub" or (value.dtype.kind == "f" and kind.kind != "f"):
        raise UserError(where, f"has type {value.dtype}", f"give {kind}")
    if not _fits(value.shape[1:], declared):
        raise UserError(where, f"has shape {list(value.shape)}", f"give {_shape(name, plan)}")
    if not np.isfinite(value).all():
        raise UserError(where, "holds NaN or infinity", "give finite values")
    return value.astype(kind)


def _shape(name: str, plan: Plan) -> str:
    return f"[{', '.join(str(size) for size in ('calls', *plan.shape_of(name)))}]"


def _feeds_of_x(sequences: Sequences, plan: Plan) -> Feeds:
    """Calls that begin at X of the first stage: each sequence is one, of one step per call all are side by side."""
    stage = plan.stages[0]
    if sequences.state is not None:
        raise UserError(
            f"{sequences.source} field h0", "is of a single chain of layers", "give the graph's inputs by name"
        )
    if plan.one_step:
        calls = [x[None] for x in sequences.x.swapaxes(0, 1)]
        if not sequences.valid.all():
            raise UserError(f"{sequences.source} field lengths", "differ", "give sequences of equal length")
    else:
        calls = [x[:length, None] for x, length in zip(sequences.x, sequences.lengths, strict=True)]
    values = [{stage.x: x.swapaxes(0, 1) if stage.batch_first else x} for x in calls]
    return Feeds(values, sequences.source, stateful=plan.one_step, whole=False)
