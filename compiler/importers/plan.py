"""A whole ONNX graph as a plan: stages that an engine runs, and host parts between them, as data and as files."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto

from lstmith.compiler.importers.graph_files import MODEL, PLAN
from lstmith.compiler.importers.onnx_flatten import Condition
from lstmith.compiler.importers.onnx_graph import Scope, label
from lstmith.compiler.importers.onnx_site import RECURRENT
from lstmith.spec.errors import UserError

#: Kind of a stage without recurrent layers.
DENSE = "Dense"


@dataclasses.dataclass(frozen=True)
class Stage:
    """A chain of layers that runs over sequences in one direction: one run of a program.

    Parameters
    ----------
    name : str
        The first node's name, and the direction of a bidirectional one.
    program : int
        Which of the model's networks; stages with the same weights share one.
    layers : tuple of str
        Names of the nodes, from input to output.
    kind : str
        Operator of the recurrent nodes, or ``DENSE``: then every row of x is a step, and no state is kept.
    units : int
        H of the last layer.
    x : str
        Value that the first node reads, [T, N, I], or [N, T, I] with ``batch_first``; or the numbers of symbols that
        choose it, [T, N] or [N, T]; or the rows of a stage without recurrent layers, which is ``head`` too.
    reverse : bool
        Whether time runs backwards; a sequence is reversed up to its length.
    direction, directions : int
        Place in the nodes' axis of directions, and its size.
    lengths : str
        Value with the lengths of the sequences, [N]; empty if all have T steps.
    states : tuple of (str, str)
        Per layer, values with the initial h and c, [directions, N, H]; empty for the network's own.
    outputs : tuple of (str, str, str)
        Per layer, what the graph calls Y, Y_h and Y_c; empty where nothing does.
    batch_first : bool
    symbols : int
        Symbols that x may name; 0 where x are values.
    swapped : bool
        Whether the numbers of symbols have their axes in the other order.
    dense : int
        How many of the layers, the last ones, are dense: a head. They have a single output each, and no states.
    head : str
        Value that the first of them reads: rows of the recurrent layers' h, wherever the graph moves them; or x.
    head_axis : int
        Axis of that value, and of the head's outputs, along which a row lies.
    verdict : str
        What the graph calls the verdict of the last of them; empty if there is none.
    judged : str
        Value that it is made of: rows of the last layer's output, wherever the graph moves them.
    judged_axis : int
        Axis of that value along which a row lies.
    picks : bool
        Whether it is an index, not a bit for each value.
    keeps : bool
        Whether an axis of one element stays in the place of the row then.
    moved : bool
        Whether the rows of a stage without recurrent layers are h of other stages, each on the grid that it left with.
    time : int
        Which axis of those rows' places is time, 0 or 1, the other one being sequences; -1 if they are not so.
    """

    name: str
    program: int
    layers: tuple[str, ...]
    kind: str
    units: int
    x: str
    reverse: bool
    direction: int
    directions: int
    lengths: str
    states: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str, str], ...]
    batch_first: bool
    symbols: int = 0
    swapped: bool = False
    dense: int = 0
    head: str = ""
    head_axis: int = -1
    verdict: str = ""
    judged: str = ""
    judged_axis: int = -1
    picks: bool = False
    keeps: bool = False
    moved: bool = False
    time: int = -1

    @property
    def batch_axis(self) -> int:
        """Axis of x with the sequences side by side."""
        return int(self.batch_first == self.swapped)

    @property
    def recurrent_outputs(self) -> tuple[tuple[str, str, str], ...]:
        """Of the layers without the head."""
        return self.outputs[: len(self.layers) - self.dense]

    @property
    def head_outputs(self) -> list[str]:
        """What the graph calls the results of the head's layers."""
        return [names[0] for names in self.outputs[len(self.layers) - self.dense :]]

    @property
    def needs(self) -> list[str]:
        """Values that must be there before it runs."""
        return [name for name in (self.x, self.lengths, *(s for pair in self.states for s in pair)) if name]


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a node of the graph runs.

    Parameters
    ----------
    node, op : str
    where : str
        ``core``, ``host`` or ``folded`` (computed once, or not at all).
    why : str
    """

    node: str
    op: str
    where: str
    why: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What runs where, in order: part 0, the first stage (or the two of a bidirectional node), part 1, ..., last part.

    Parameters
    ----------
    model : ModelProto
        The whole graph, with the Ifs around its recurrent nodes resolved.
    stages : tuple of Stage
    parts : tuple of tuple of str
        For each host part, the values that it computes and others need; there is one more of them than groups.
    inputs : tuple of str
        Graph inputs that must be given.
    state_inputs : tuple of str
        Graph inputs that only set initial states; left out, the network's own stand.
    outputs : tuple of str
        All graph outputs, in order.
    state_outputs : tuple of str
        Those that only return final states.
    state_pairs : tuple of (str, str)
        State output and state input of the same states.
    conditions : tuple of Condition
        Values that chose the branches with the recurrent nodes and must keep doing so.
    one_step : bool
        Each call runs one time step.
    sequences : int or None
        Sequences that each call runs side by side, where the graph fixes their number.
    placement : tuple of Placement
    """

    model: ModelProto
    stages: tuple[Stage, ...]
    parts: tuple[tuple[str, ...], ...]
    inputs: tuple[str, ...]
    state_inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    state_outputs: tuple[str, ...]
    state_pairs: tuple[tuple[str, str], ...]
    conditions: tuple[Condition, ...]
    one_step: bool
    sequences: int | None
    placement: tuple[Placement, ...]

    @property
    def groups(self) -> list[list[int]]:
        """Stages that run between two host parts: one, or both directions of a node."""
        found: list[list[int]] = []
        for index, stage in enumerate(self.stages):
            if stage.direction:
                found[-1].append(index)
            else:
                found.append([index])
        return found

    @property
    def stage_values(self) -> set[str]:
        """Everything that stages compute."""
        verdicts = {stage.verdict for stage in self.stages if stage.verdict}
        return verdicts | {name for stage in self.stages for names in stage.outputs for name in names if name}

    @property
    def placement_figures(self) -> list[dict[str, str]]:
        """The placement as JSON values."""
        return [dataclasses.asdict(item) for item in self.placement]

    @property
    def others(self) -> list[tuple[str, str]]:
        """Name and operator of recurrent nodes that stay on the host."""
        nodes = [node for scope in Scope(self.model.graph).inwards() for node in scope.nodes]
        return [
            (label(node), node.op_type)
            for node in nodes
            if node.op_type in RECURRENT and not self.stage_values.intersection(node.output)
        ]

    @property
    def graph_types(self) -> dict[str, Any]:
        """Declared tensor types of the graph's inputs and outputs."""
        return {value.name: value.type.tensor_type for value in (*self.model.graph.input, *self.model.graph.output)}

    def shape_of(self, name: str) -> list[int | str]:
        """Declared shape of a graph input; sizes that vary by name, or ``?``."""
        return [
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?"
            for dim in self.graph_types[name].shape.dim
        ]

    def save(self, directory: Path) -> None:
        """Write model.onnx and plan.json, each appearing whole."""
        described = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "model"
        }
        for name in ("stages", "conditions", "placement"):
            described[name] = [dataclasses.asdict(item) for item in described[name]]
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                str(directory), f"cannot be created ({error.strerror})", "choose a writable directory"
            ) from error
        _write(directory / MODEL, self.model.SerializeToString(deterministic=True))
        _write(directory / PLAN, (json.dumps(described, indent=2) + "\n").encode())

    @classmethod
    def load(cls, directory: Path) -> Plan:
        """Read what `save` wrote."""
        path = directory / PLAN
        try:
            described: dict[str, Any] = json.loads(path.read_text())
            model = onnx.load(directory / MODEL)
            fields = {key: _tuples(value) for key, value in described.items()}
            fields["stages"] = tuple(Stage(**_fields(stage)) for stage in described["stages"])
            fields["conditions"] = tuple(Condition(**condition) for condition in described["conditions"])
            fields["placement"] = tuple(Placement(**placement) for placement in described["placement"])
            return cls(model=model, **fields)
        except OSError as error:
            raise UserError(
                str(error.filename or path), f"cannot be read ({error.strerror})", "compile the ONNX model again"
            ) from error
        except (ValueError, KeyError, TypeError, RecursionError, DecodeError, onnx.checker.ValidationError) as error:
            raise UserError(str(path), f"is damaged ({error})", "compile the ONNX model again") from error


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _tuples(value) for key, value in values.items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise UserError(str(path), f"cannot be written ({error.strerror})", "choose a writable directory") from error
    finally:
        draft.unlink(missing_ok=True)
