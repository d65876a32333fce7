"""How the program starts: commands are imported when they are called, and what the machine lacks is one line."""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lstmith.cli.lazy import COMMANDS
from lstmith.cli.main import execute, guard
from lstmith.datasets import places
from lstmith.flow.tools import find_tool
from lstmith.spec.extras import EXTRAS

HELP_SECONDS = 0.4
#: Large packages; a command that needs none of them must not wait for them.
HEAVY = ("amaranth", "cocotb", "dask", "distributed", "matplotlib", "numpy", "onnx", "onnxruntime", "optuna", "scipy")


@pytest.mark.parametrize("name", COMMANDS)
def test_summaries_are_those_of_the_commands(name: str) -> None:
    entry = COMMANDS[name]
    function = getattr(importlib.import_module(f"lstmith.{entry.module}"), entry.function)
    assert inspect.cleandoc(function.__doc__).splitlines()[0] == entry.summary


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [(("--help",), ()), (("--version",), ()), (("boards",), ("numpy",)), (("run", "--help"), HEAVY[:-2])],
    ids=str,
)
def test_only_what_is_needed_is_imported(arguments: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    script = (
        "import sys; from lstmith.cli.main import execute; "
        f"code = execute({list(arguments)!r}); print('loaded', code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    code, *modules = done.stdout.splitlines()[-1].removeprefix("loaded ").split()
    assert code == "0"
    assert not {name for name in HEAVY if name in modules} - set(allowed)


def test_help_starts_at_once() -> None:
    """In processor seconds, which another program on the machine does not lengthen much; the best of some runs."""
    took = []
    for _ in range(3):
        before = os.times()
        subprocess.run([find_tool("lstmith"), "--help"], stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        took.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(took) < HELP_SECONDS


def complete(words: str) -> list[str]:
    """What a shell is told could follow."""
    environment = {"_LSTMITH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run(
        [find_tool("lstmith")], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_the_shell_completes_commands_and_their_options() -> None:
    assert complete("lstmith comp") == ["compile"]
    assert complete("lstmith compile --calib") == ["--calibration"]


def test_no_yosys_of_the_system_writes_verilog(tmp_path: Path) -> None:
    fake = tmp_path / "yosys"
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    fake.chmod(0o755)
    script = (
        "import lstmith.rtl; from amaranth.hdl import Module; from amaranth.back import verilog; "
        "verilog.convert(Module(), ports=[])"
    )
    kept = {name: value for name, value in os.environ.items() if name != "AMARANTH_USE_YOSYS"}
    environment = kept | {"PATH": f"{tmp_path}{os.pathsep}{kept['PATH']}"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert not (tmp_path / "asked").exists()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out == f"lstmith {importlib.metadata.version('lstmith')}\n"


def test_unknown_command_is_one_line_with_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["complie"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "'compile'" in told


def test_extras_are_those_of_the_package() -> None:
    assert set(EXTRAS) <= set(importlib.metadata.metadata("lstmith").get_all("Provides-Extra", []))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ModuleNotFoundError("", name="cocotb_tools.runner"),
            "cocotb_tools: this Python package is not installed; run ",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/scratch/core.v"),
            "/scratch/core.v: no space is left there; ",
        ),
        (KeyboardInterrupt("interrupted: 3 of 8 are lost"), "interrupted: 3 of 8 are lost"),
        (KeyboardInterrupt(), "interrupted: nothing was written; start the command again"),
    ],
    ids=repr,
)
def test_what_is_not_a_bug_is_one_line(error: BaseException, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise error

    assert guard(fail) == 2
    assert capsys.readouterr().err.startswith(f"lstmith: {told}")


def test_a_full_disk_without_a_name_names_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert guard(fail) == 2
    assert f"lstmith: {tmp_path}: no space is left there; " in capsys.readouterr().err


def test_fetched_files_are_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LSTMITH_DATA", raising=False)
    assert places.data_directory() == Path(__file__).resolve().parents[2] / "build" / "data"
    monkeypatch.setenv("LSTMITH_DATA", str(tmp_path))
    assert places.data_directory() == tmp_path
