"""The directory that ``lstmith compile`` writes and every other command reads.

==================  =====================================================================
``design.json``     format version, target, report, programs, names and scalars of the layers, checksums of all files
``engine.json``     :class:`~lstmith.spec.config.EngineConfig`
``network.npz``     integer arrays of the quantised networks, ``l<k>_<field>`` over all programs, and ``predictor``
``float.npz``       float64 arrays of the float networks, ``l<k>_<field>``
``graph/``          the ONNX graph around the LSTM, if the model came from one
==================  =====================================================================
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmith.compiler.data import SequenceSource
from lstmith.compiler.design_files import (
    FOLDER,
    GRAPH,
    MARKER,
    check_unchanged,
    read_design,
    typed,
    write_design,
)
from lstmith.compiler.files import whole_directory
from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.program_image import ProgramContents, lay_out
from lstmith.compiler.programs import Program
from lstmith.compiler.run_result import RunResult
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.policy import Policy
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import QuantNetwork

if TYPE_CHECKING:
    from lstmith.compiler.generate import Core
    from lstmith.compiler.importers.plan import Plan

#: Where the engines are: module and function. Only its name is known here, because engines are a layer above.
RUNNER = ("lstmith.host.runner", "run_design")


@dataclass(frozen=True)
class Design:
    """An engine with the network, or the networks, that it was made for.

    Parameters
    ----------
    engine : EngineConfig
    network : QuantNetwork
        Of the selected program.
    source : FloatNetwork
        What the network was quantised from.
    target : str
        Board name or ``generic``.
    graph : Plan or None
        What the host runs around the stages, as a plan.
    report : dict
        JSON values of the quantisation and sizing reports.
    programs : tuple of Program
        All that the engine holds; empty for ``network`` alone. The selected one takes ``network`` and ``source``.
    program : int
        Which of them is selected: what every run of the design runs.
    """

    engine: EngineConfig
    network: QuantNetwork
    source: FloatNetwork
    target: str = "generic"
    graph: Plan | None = None
    report: dict[str, Any] = field(default_factory=dict)
    programs: tuple[Program, ...] = ()
    program: int = 0

    def __post_init__(self) -> None:
        given = list(self.programs) or [Program("", self.network, self.source)]
        given[self.program] = dataclasses.replace(given[self.program], network=self.network, source=self.source)
        object.__setattr__(self, "programs", tuple(given))

    def select(self, program: int | str) -> Design:
        """The same design with another program selected.

        Parameters
        ----------
        program : int or str
            Its number or its name.

        Raises
        ------
        UserError
            If there is none.
        """
        names: list[int | str] = [entry.name for entry in self.programs] if isinstance(program, str) else []
        number = names.index(program) if program in names else program
        if not isinstance(number, int) or not 0 <= number < len(self.programs):
            known = ", ".join(f"{index} {entry.name}".strip() for index, entry in enumerate(self.programs))
            raise UserError("program", f"{program!r} is none of the design's", f"use one of {known}")
        chosen = self.programs[number]
        return dataclasses.replace(self, network=chosen.network, source=chosen.source, program=number)

    @property
    def place(self) -> int:
        """Place of the selected program's first state."""
        return self.programs[self.program].place

    def image(self, policies: list[Policy] | None = None, engine: EngineConfig | None = None) -> MemoryImage:
        """Contents of the engine's memories with all programs.

        Parameters
        ----------
        policies : list of Policy or None
            Of the selected program; None are the default ones, which all others have.
        engine : EngineConfig or None
            Another engine than the design's.

        Raises
        ------
        ValueError
            If the programs do not fit.
        """
        config = engine or self.engine
        contents = []
        for number, entry in enumerate(self.programs):
            given = policies if number == self.program else None
            chosen = default_policies(entry.network, config) if given is None else given
            contents.append(ProgramContents(entry.network, chosen, entry.place))
        return lay_out(contents, config)

    @property
    def figures(self) -> dict[str, Any]:
        """What ``compile --json`` writes: error of h on held-back data, remarks, and what was chosen."""
        error = self.report["error"]
        return {
            "error": {"mean": error["mean"], "max": error["max"]},
            "held_back_steps": error["steps"] if error["held_back"] else 0,
            "remarks": self.report["remarks"],
            "planes": [layer.planes for entry in self.programs for layer in entry.network.layers],
            "lanes": self.engine.lanes,
            "precision": [layer.precision for entry in self.programs for layer in entry.network.layers],
            "target": self.target,
        }

    def generate(
        self, path: str | Path | None = None, *, image: bool = True, name: str = "lstmith_core", bus: str = "native"
    ) -> Core:
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
        bus : str
            How the core is reached: ``native``, ``axi`` or ``wishbone``.

        Raises
        ------
        UserError
            If the name is none for a module, the bus is unknown, or a file cannot be written.
        """
        # The hardware is imported by those who want it.
        from lstmith.compiler.generate import core_outputs, generate_core
        from lstmith.compiler.outputs import check_outputs

        if path is not None:
            check_outputs([], core_outputs(Path(path)))
        contents = self.image() if image else None
        core = generate_core(self.engine, self.programs, target=self.target, image=contents, name=name, bus=bus)
        if path is not None:
            core.save(path)
        return core

    def run(
        self,
        x: SequenceSource | Feeds,
        engine: str = "golden",
        *,
        policy: str | Path | Mapping[str, Any] | Policy | Sequence[Policy] | None = None,
        port: str | None = None,
        baud: int | None = None,
        energy: str | None = None,
        program: int | str | None = None,
        after: Any = None,
        stateful: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> RunResult:
        """Run sequences on an engine, and compare the results with the golden model and with float.

        Parameters
        ----------
        x : str, Path, array or mapping
            An .npz file, or arrays by the names that a file has: those of the graph's inputs, each [calls, ...], or
            ``x`` as the first recurrent layer sees it, float32 [T, I] or [N, T, I].
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
        program : int, str or None
            Number or name of the program to run; None is the selected one.
        after : RunRequest or None
            What ``host.runner.read_request`` gave for another program: sequences begin in the states that it ends in.
        stateful : bool
            Every call of the graph starts where the one before ended.
        progress : callable or None
            Called with the number of finished sequences, where the engine tells.

        Raises
        ------
        UserError
            If an argument is wrong, or a tool that the engine needs is missing.
        """
        module, function = RUNNER
        runner: Callable[..., RunResult] = getattr(importlib.import_module(module), function)
        options: dict[str, Any] = {"policy": policy, "port": port, "baud": baud, "energy": energy}
        options |= {"program": program, "after": after, "stateful": stateful, "progress": progress}
        return runner(self, x, engine, **options)

    def save(self, folder: str | Path) -> None:
        """Write the directory; it appears whole, in place of an earlier design.

        Raises
        ------
        UserError
            If the path holds something else or cannot be written.
        """
        others = {"target": self.target, "graph": self.graph is not None, "report": self.report}
        with whole_directory(Path(folder), FOLDER) as draft:
            if self.graph is not None:
                self.graph.save(draft / GRAPH)
            write_design(draft, self.engine, self.programs, others)

    @classmethod
    def load(cls, folder: str | Path) -> Design:
        """Inverse of :meth:`save`.

        Raises
        ------
        UserError
            If the directory is no design, or a file is missing, damaged or changed since it was written.
        """
        path = Path(folder)
        described, engine, programs = read_design(path)
        where = str(path / MARKER)
        loaded = cls(
            engine,
            programs[0].network,
            programs[0].source,
            typed(described, "target", str, where),
            _load_graph(path / GRAPH) if typed(described, "graph", bool, where) else None,
            typed(described, "report", dict, where),
            programs,
        )
        # Last, because what is plainly wrong has a message that says more.
        check_unchanged(path, described)
        return loaded


def _load_graph(path: Path) -> Plan:
    # onnx is imported for designs that have a graph.
    from lstmith.compiler.importers.plan import Plan

    return Plan.load(path)
