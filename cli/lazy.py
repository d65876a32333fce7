"""Commands that are imported when they are called, so that ``lstmith --help`` reads none of them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer
import typer.core
import typer.main

from lstmith.spec.errors import UserError
from lstmith.spec.extras import require


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
    extras : tuple of str
        Optional dependency groups without which the command cannot do anything but show its ``--help``.
    """

    module: str
    summary: str
    function: str = "command"
    extras: tuple[str, ...] = ()

    def load(self, name: str) -> Any:
        """The command itself, with its options.

        Raises
        ------
        UserError
            If the command belongs to a checkout, and this is an installed package.
        """
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        module = find_module(self.module)
        if module is None:
            raise UserError(
                f"command {name}",
                "is part of a checkout of lstmith, and this is the installed package",
                "clone the repository, run 'make setup' there, and call its .venv/bin/lstmith",
            )
        single.command(name)(getattr(module, self.function))
        command = typer.main.get_command(single)
        assert command.callback is not None
        command.callback = functools.partial(_with_extras, self.extras, command.callback)
        return command


def find_module(name: str) -> Any:
    """A module of a higher layer, by its name below ``lstmith``; None if only a checkout has its layer."""
    layer, _, _ = name.partition(".")
    if importlib.util.find_spec(f"lstmith.{layer}") is None:
        return None
    return importlib.import_module(f"lstmith.{name}")


def _with_extras(extras: tuple[str, ...], callback: Callable[..., Any], /, **options: Any) -> Any:
    """Run a command if what it needs is installed; a wrong option is told first."""
    require(*extras)
    return callback(**options)


COMMANDS = {
    "inspect": Entry(
        "cli.inspect_model",
        "Show what of a model would run on the core and what on the host, its memory, and the boards that fit.",
    ),
    "compile": Entry("cli.compile_model", "Quantise a trained network and size an engine for it."),
    "run": Entry("cli.run", "Run a design on sequences, and compare it with the golden model and with float."),
    "verify": Entry(
        "cli.verify", "Compare a design's core in Verilator with the golden model over many steps.", extras=("sim",)
    ),
    "generate": Entry("cli.generate", "Write the core as Verilog, byte for byte the same every time."),
    "synth": Entry("cli.hardware", "Synthesise the core alone and count its resources.", "synth_command"),
    "build": Entry("cli.hardware", "Build a bitstream.", "build_command", ("build",)),
    "tune": Entry(
        "tuning.command",
        "Search the policies of a design; one part of the data is tuned on, every figure is of the other.",
        extras=("tune",),
    ),
    "explore": Entry(
        "explore.command",
        "Search boards, precisions, lanes and policies of a network, and write a design for each good answer.",
        extras=("tune", "report"),
    ),
    "distil": Entry(
        "training.command",
        "Train a design's weights for a policy, without labels; its float network is the teacher.",
        extras=("torch",),
    ),
    "report": Entry("cli.report", "Write an HTML report.", extras=("report",)),
    "boards": Entry("cli.boards", "List the supported boards."),
    "program": Entry(
        "cli.program", "Write a bitstream, and weights that it cannot carry, to a board.", "program_command", ("board",)
    ),
    "devices": Entry(
        "cli.program",
        "List serial ports, and what answers at them; what is wrong is told beside each.",
        "devices_command",
        ("board",),
    ),
    "board-sim": Entry(
        "cli.board_sim",
        "Simulate a board with a design, and print the port at which it answers; Ctrl-C ends it.",
        extras=("sim",),
    ),
    "vad": Entry(
        "vad.command", "Find speech: the encoder runs here, the LSTM on the engine, frame by frame.", extras=("demo",)
    ),
    "demo": Entry(
        "scripts.demo",
        "Silero VAD from its ONNX file to a simulated core, the speech it finds and a bitstream, in build/demo.",
        "main",
        ("build", "demo", "report", "sim"),
    ),
    "bench": Entry(
        "scripts.bench.command",
        "Measure silero, graphs, link, area, energy, campaign (minutes); boards, clocks, presets and others (hours).",
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
