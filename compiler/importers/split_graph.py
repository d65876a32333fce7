"""The two halves of an ONNX model split around its LSTM, as data and as files.

The caller's state (graph inputs that only set the LSTM's initial state, graph outputs that only return its final
state) drops out of both halves: the engine keeps the state.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto

from lstmith.compiler.importers.graph_files import MODELS, SPLIT
from lstmith.compiler.importers.onnx_flatten import Condition
from lstmith.compiler.importers.onnx_graph import Scope, label
from lstmith.spec.errors import UserError


@dataclasses.dataclass(frozen=True)
class SplitGraph:
    """Two ONNX models around an LSTM.

    Parameters
    ----------
    before : ModelProto
        From the graph's inputs to ``x_name`` (the LSTM's X) and the ``carried`` values.
    after : ModelProto
        From ``lstm_outputs`` (those it needs) and the ``carried`` values to ``outputs``.
    x_name : str
        What ``before`` calls the LSTM's X.
    lstm_outputs : tuple of str
        What ``after`` calls the LSTM's Y, Y_h and Y_c. Like ``x_name``, no other value of the graph has these names.
    layers : tuple of str
        Names of the LSTM nodes that are cut out.
    units : int
        H of the last layer.
    inputs : tuple of str
        Graph inputs to be fed.
    carried : tuple of str
        Values that go from ``before`` to ``after`` past the LSTM, and graph inputs that ``after`` reads.
    outputs : tuple of str
        Graph outputs that ``after`` computes.
    direct_outputs : tuple of str
        Graph outputs that do not depend on the LSTM; ``before`` computes them.
    state_inputs, state_outputs : tuple of str
        The caller's state, which the engine handles.
    conditions : tuple of Condition
        Values in ``before`` that chose the branch with the LSTM and must keep doing so.
    batch_first : bool
        X and Y are [N, T, ..] instead of [T, N, ..].
    one_step : bool
        The graph runs one time step per call.
    sequences : int or None
        Sequences that each call runs side by side, where the graph fixes their number.
    """

    before: ModelProto
    after: ModelProto
    x_name: str
    lstm_outputs: tuple[str, ...]
    layers: tuple[str, ...]
    units: int
    inputs: tuple[str, ...]
    carried: tuple[str, ...]
    outputs: tuple[str, ...]
    direct_outputs: tuple[str, ...]
    state_inputs: tuple[str, ...]
    state_outputs: tuple[str, ...]
    conditions: tuple[Condition, ...]
    batch_first: bool
    one_step: bool
    sequences: int | None

    @property
    def others(self) -> list[str]:
        """LSTM nodes that stay in the halves."""
        graphs = [self.before.graph, self.after.graph]
        scopes = [scope for graph in graphs for scope in Scope(graph).inwards()]
        return [label(node) for scope in scopes for node in scope.nodes if node.op_type == "LSTM"]

    def save(self, directory: Path) -> None:
        """Write before.onnx, after.onnx and split.json, each appearing whole."""
        described = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in MODELS
        }
        described["conditions"] = [dataclasses.asdict(condition) for condition in self.conditions]
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                str(directory), f"cannot be created ({error.strerror})", "choose a writable directory"
            ) from error
        for name in MODELS:
            _write(directory / f"{name}.onnx", getattr(self, name).SerializeToString(deterministic=True))
        _write(directory / SPLIT, (json.dumps(described, indent=2) + "\n").encode())

    @classmethod
    def load(cls, directory: Path) -> SplitGraph:
        """Read what `save` wrote."""
        path = directory / SPLIT
        try:
            described: dict[str, Any] = json.loads(path.read_text())
            models = {name: onnx.load(directory / f"{name}.onnx") for name in MODELS}
            described["conditions"] = [Condition(**condition) for condition in described["conditions"]]
            fields: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in described.items()
            }
            return cls(**{**fields, **models})
        except OSError as error:
            raise UserError(
                str(error.filename or path), f"cannot be read ({error.strerror})", "compile the ONNX model again"
            ) from error
        except (ValueError, KeyError, TypeError, RecursionError, DecodeError, onnx.checker.ValidationError) as error:
            raise UserError(str(path), f"is damaged ({error})", "compile the ONNX model again") from error


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise UserError(str(path), f"cannot be written ({error.strerror})", "choose a writable directory") from error
    finally:
        draft.unlink(missing_ok=True)
