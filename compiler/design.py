"""The directory that ``lstmith compile`` writes and every other command reads.

==================  =====================================================================
``design.json``     format version, target, report, names and scalars of the layers, checksums of all files
``engine.json``     :class:`~lstmith.spec.config.EngineConfig`
``network.npz``     integer arrays of the quantised network, ``l<k>_<field>``, and ``predictor``
``float.npz``       float64 arrays of the float network, ``l<k>_<field>``
``graph/``          the ONNX graph around the LSTM, if the model came from one
==================  =====================================================================
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmith.compiler.archive import read_archive
from lstmith.compiler.data import SequenceSource
from lstmith.compiler.files import Folder, whole_directory
from lstmith.compiler.importers.graph_files import GRAPH_FILES
from lstmith.compiler.run_result import RunResult
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork

if TYPE_CHECKING:
    from lstmith.compiler.generate import Core
    from lstmith.compiler.importers.plan import Plan

FORMAT = 6
#: Where the engines are: module and function. Only its name is known here, because engines are a layer above.
RUNNER = ("lstmith.host.runner", "run_design")

_MARKER = "design.json"
_GRAPH = "graph"
_FILES = ("engine.json", "network.npz", "float.npz")
#: What is in the directory; a directory that holds anything else is never replaced.
FOLDER = Folder(
    "lstmith compile",
    _MARKER,
    ("format", "layers"),
    (_MARKER, *_FILES, *(f"{_GRAPH}/{name}" for name in GRAPH_FILES)),
)
_QUANT_ARRAYS = ("weights", "mantissa", "shift", "bias", "peep", "reduced_bias", "idle_h", "order")
_QUANT_GRIDS = ("x_grid", "h_grid")
_QUANT_LISTS = ("counts",)
_QUANT_SCALARS: dict[str, type] = {"precision": int, "planes": int, "c_frac": int, "peep_shift": int, "x_lsb": float}
_FLOAT_ARRAYS = ("w_ih", "w_hh", "bias", "peep", "h0", "c0")
_OPTIONAL = ("_peep", "_reduced_bias", "_idle_h", "_order", "_h0", "_c0")
_PREDICTOR = "predictor"
_REMEDY = "compile the model again"


@dataclass(frozen=True)
class Design:
    """An engine with the network it was made for.

    Parameters
    ----------
    engine : EngineConfig
    network : QuantNetwork
    source : FloatNetwork
        What the network was quantised from.
    target : str
        Board name or ``generic``.
    graph : Plan or None
        What the host runs around the stages, as a plan.
    report : dict
        JSON values of the quantisation and sizing reports.
    """

    engine: EngineConfig
    network: QuantNetwork
    source: FloatNetwork
    target: str = "generic"
    graph: Plan | None = None
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, Any]:
        """What ``compile --json`` writes: error of h on held-back data, remarks, and what was chosen."""
        error = self.report["error"]
        return {
            "error": {"mean": error["mean"], "max": error["max"]},
            "held_back_steps": error["steps"] if error["held_back"] else 0,
            "remarks": self.report["remarks"],
            "planes": [layer.planes for layer in self.network.layers],
            "lanes": self.engine.lanes,
            "precision": [layer.precision for layer in self.network.layers],
            "target": self.target,
        }

    def generate(self, path: str | Path | None = None, *, image: bool = True, name: str = "lstmith_core") -> Core:
        """The core as Verilog, for the family of the design's target.

        Parameters
        ----------
        path : str, Path or None
            CORE.v to write, with CORE.json and the models of vendor cells beside it; None writes nothing.
        image : bool
            Whether the memories hold weights, program and registers from the start, for the default policies; a core
            without them takes any network that fits, through the bus.
        name : str
            Of the module, and the beginning of all its parts' names.

        Raises
        ------
        UserError
            If the name is none for a module, or a file cannot be written.
        """
        # The hardware is imported by those who want it.
        from lstmith.compiler.generate import core_outputs, generate_core
        from lstmith.compiler.outputs import check_outputs

        if path is not None:
            check_outputs([], core_outputs(Path(path)))
        layers = [layer.name for layer in self.source.layers]
        core = generate_core(self.engine, self.network, layers=layers, target=self.target, image=image, name=name)
        if path is not None:
            core.save(path)
        return core

    def run(
        self,
        x: SequenceSource,
        engine: str = "golden",
        *,
        policy: str | Path | Mapping[str, Any] | Policy | Sequence[Policy] | None = None,
        port: str | None = None,
        baud: int | None = None,
        energy: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> RunResult:
        """Run sequences on an engine, and compare the results with the golden model and with float.

        Parameters
        ----------
        x : str, Path, array or mapping
            Inputs of the LSTM: an .npz file; float32 [T, I] or [N, T, I]; or arrays by the names that a file has.
        engine : str
            ``float``, ``golden``, ``icarus``, ``verilator`` or ``board``.
        policy : str, Path, mapping, Policy, sequence of Policy, or None
            A policy file, or what one holds; one policy for all layers, or one for each. None is delta without
            thresholds.
        port : str or None
            Serial port of the board.
        baud : int or None
            Bits per second of the port; None finds it.
        energy : str or None
            Name of the constants of the energy estimate.
        progress : callable or None
            Called with the number of finished sequences, where the engine tells.

        Raises
        ------
        UserError
            If an argument is wrong, or a tool that the engine needs is missing.
        """
        module, function = RUNNER
        runner: Callable[..., RunResult] = getattr(importlib.import_module(module), function)
        return runner(self, x, engine, policy=policy, port=port, baud=baud, energy=energy, progress=progress)

    def save(self, folder: str | Path) -> None:
        """Write the directory; it appears whole, in place of an earlier design.

        Raises
        ------
        UserError
            If the path holds something else or cannot be written.
        """
        described = {
            "format": FORMAT,
            "target": self.target,
            "graph": self.graph is not None,
            "layers": [
                {"name": source.name, **_describe(layer)}
                for layer, source in zip(self.network.layers, self.source.layers, strict=True)
            ],
            "report": self.report,
        }
        with whole_directory(Path(folder), FOLDER) as draft:
            (draft / "engine.json").write_text(self.engine.to_json())
            _save_arrays(
                draft / "network.npz", self.network.layers, _QUANT_ARRAYS, {_PREDICTOR: self.network.predictor}
            )
            _save_arrays(draft / "float.npz", self.source.layers, _FLOAT_ARRAYS)
            if self.graph is not None:
                self.graph.save(draft / _GRAPH)
            described["checksums"] = _checksums(draft, described)
            (draft / _MARKER).write_text(json.dumps(described, indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> Design:
        """Inverse of :meth:`save`.

        Raises
        ------
        UserError
            If the directory is no design, or a file is missing, damaged or changed since it was written.
        """
        path = Path(folder)
        if not (path / _MARKER).is_file():
            raise UserError(str(path), f"is not a design (no {_MARKER})", "give a directory that 'compile' wrote")
        described = _read_json(path / _MARKER)
        where = str(path / _MARKER)
        if described.get("format") != FORMAT:
            raise UserError(
                f"{where} field format",
                f"is {described.get('format')!r}, of another version of lstmith; this one reads {FORMAT}",
                _REMEDY,
            )
        entries = _typed(described, "layers", list, where)
        if not entries:
            raise UserError(f"{where} field layers", "is empty", _REMEDY)
        quantised, others = _read_arrays(path / "network.npz", _QUANT_ARRAYS, len(entries), np.dtype(np.int64))
        floats, _ = _read_arrays(path / "float.npz", _FLOAT_ARRAYS, len(entries), np.dtype(np.float64))
        layers, sources = [], []
        for index, entry in enumerate(entries):
            spot = f"{where} field layers[{index}]"
            with _damage(spot):
                layers.append(_quant_layer(entry, quantised[index], spot))
            with _damage(f"{path / 'float.npz'} layer {index}"):
                sources.append(FloatLayer(name=_typed(entry, "name", str, spot), **floats[index]))
        with _damage(str(path / "network.npz")):
            network = QuantNetwork(tuple(layers), others.get(_PREDICTOR))
        with _damage(str(path / "engine.json")):
            engine = EngineConfig.from_json((path / "engine.json").read_text())
        loaded = cls(
            engine,
            network,
            FloatNetwork(tuple(sources)),
            _typed(described, "target", str, where),
            _load_graph(path / _GRAPH) if _typed(described, "graph", bool, where) else None,
            _typed(described, "report", dict, where),
        )
        # Last, because what is plainly wrong has a message that says more.
        _check_unchanged(path, described)
        return loaded


def _load_graph(path: Path) -> Plan:
    # onnx is imported for designs that have a graph.
    from lstmith.compiler.importers.plan import Plan

    return Plan.load(path)


def _checksums(path: Path, described: dict[str, Any]) -> dict[str, str]:
    """SHA-256 of every file of a design by its name, and of ``design.json`` without the checksums."""
    # As it is read back: tuples as lists, all keys as strings.
    own = json.loads(json.dumps({name: value for name, value in described.items() if name != "checksums"}))
    found = {_MARKER: hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()}
    graph = [f"{_GRAPH}/{name}" for name in GRAPH_FILES] if described["graph"] else []
    for name in (*_FILES, *graph):
        found[name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    return found


def _check_unchanged(path: Path, described: dict[str, Any]) -> None:
    recorded = _typed(described, "checksums", dict, str(path / _MARKER))
    for name, checksum in _checksums(path, described).items():
        if recorded.get(name) != checksum:
            raise UserError(
                str(path / name), "was changed after the design was written (its checksum differs)", _REMEDY
            )


def _describe(layer: QuantLayer) -> dict[str, Any]:
    scalars = {name: getattr(layer, name) for name in _QUANT_SCALARS}
    lists = {name: list(getattr(layer, name)) for name in _QUANT_LISTS}
    return {**scalars, **lists, **{name: dataclasses.asdict(getattr(layer, name)) for name in _QUANT_GRIDS}}


def _quant_layer(entry: Any, arrays: dict[str, Any], where: str) -> QuantLayer:
    if not isinstance(entry, dict):
        raise UserError(where, f"is {entry!r}", _REMEDY)
    values: dict[str, Any] = {name: _typed(entry, name, kind, where) for name, kind in _QUANT_SCALARS.items()}
    for name in _QUANT_LISTS:
        values[name] = tuple(_typed(entry, name, list, where))
        if any(type(value) is not int for value in values[name]):
            raise UserError(f"{where} field {name}", f"is {list(values[name])!r}", _REMEDY)
    for name in _QUANT_GRIDS:
        values[name] = Grid(**_typed(entry, name, dict, where))
    return QuantLayer(**arrays, **values)


def _typed(values: dict[str, Any], name: str, kind: type, where: str) -> Any:
    value = values.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UserError(f"{where} field {name}", f"is {value!r}", _REMEDY)
    return value


@contextmanager
def _damage(where: str) -> Iterator[None]:
    """Turn what goes wrong while reading ``where`` into a user error."""
    try:
        yield
    except OSError as error:
        raise UserError(where, f"cannot be read ({error.strerror or error})", _REMEDY) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(where, f"is damaged ({error})", _REMEDY) from None


def _read_json(path: Path) -> dict[str, Any]:
    with _damage(str(path)):
        content = json.loads(path.read_text())
    if not isinstance(content, dict):
        raise UserError(str(path), f"holds a {type(content).__name__}", _REMEDY)
    return content


def _save_arrays(
    path: Path, layers: tuple[Any, ...], names: tuple[str, ...], others: dict[str, Any] | None = None
) -> None:
    fields = {f"l{index}_{name}": getattr(layer, name) for index, layer in enumerate(layers) for name in names}
    fields |= others or {}
    arrays: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}
    np.savez_compressed(path, **arrays)


def _read_arrays(
    path: Path, names: tuple[str, ...], layers: int, kind: np.dtype[Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Arrays by layer and name, and those of no layer."""
    arrays = read_archive(path, _REMEDY)
    for key in (f"l{index}_{name}" for index in range(layers) for name in names):
        if key not in arrays and not key.endswith(_OPTIONAL):
            raise UserError(f"{path} field {key}", "is missing", _REMEDY)
    for key, array in arrays.items():
        if array.dtype != kind:
            raise UserError(f"{path} field {key}", f"is {array.dtype}, not {kind}", _REMEDY)
    return [{name: arrays.pop(f"l{index}_{name}", None) for name in names} for index in range(layers)], arrays
