"""Commands that are imported when they are called, so that ``lstmith --help`` reads none of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import typer
import typer.core
import typer.main


@dataclass(frozen=True)
class Entry:
    """A command before it is imported.

    Parameters
    ----------
    module : str
        Below ``lstmith``. A string, no import: commands of higher layers are found by their names alone.
    summary : str
        What ``--help`` of the program says about it; the first line of the function's docstring.
    function : str
    """

    module: str
    summary: str
    function: str = "command"

    def load(self, name: str) -> Any:
        """The command itself, with its options."""
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(name)(getattr(importlib.import_module(f"lstmith.{self.module}"), self.function))
        return typer.main.get_command(single)


COMMANDS = {
    "compile": Entry("cli.compile_model", "Quantise a trained LSTM and size an engine for it."),
    "run": Entry("cli.run", "Run a design on sequences, and compare it with the golden model and with float."),
    "generate": Entry("cli.generate", "Write the core as Verilog, byte for byte the same every time."),
    "synth": Entry("cli.hardware", "Synthesise the core alone and count its resources.", "synth_command"),
    "build": Entry("cli.hardware", "Build a bitstream.", "build_command"),
    "tune": Entry(
        "tuning.command",
        "Search the policies of a design; one part of the data is tuned on, every figure is of the other.",
    ),
    "report": Entry("cli.report", "Write an HTML report."),
    "boards": Entry("cli.boards", "List the supported boards."),
    "program": Entry(
        "cli.program", "Write a bitstream, and weights that it cannot carry, to a board.", "program_command"
    ),
    "devices": Entry(
        "cli.program",
        "List serial ports, and what answers at them; what is wrong is told beside each.",
        "devices_command",
    ),
    "board-sim": Entry(
        "cli.board_sim", "Simulate a board with a design, and print the port at which it answers; Ctrl-C ends it."
    ),
    "vad": Entry("scripts.vad", "Find speech: the encoder runs here, the LSTM on the engine, frame by frame."),
    "demo": Entry(
        "scripts.demo",
        "Silero VAD from its ONNX file to a simulated core, the speech it finds and a bitstream, in build/demo.",
        "main",
    ),
    "bench": Entry(
        "scripts.bench.command",
        "Measure silero, link, area or energy (minutes), boards (an hour), adaptive (policies) or perf (hours).",
    ),
}


class CommandTable(typer.core.TyperGroup):
    """A group that knows names and summaries, and imports only the command that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(typer.core.TyperCommand(name=name, help=entry.summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the arguments name, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else COMMANDS[name].load(name), rest
