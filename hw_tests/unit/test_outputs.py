"""Nothing of the user's is overwritten: every way to name an output that would destroy something is refused."""

from __future__ import annotations

import json
import os
import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lstmith.cli.main import execute
from lstmith.compiler.files import Folder, whole_directory

WIDTH, UNITS = 3, 4

Prepare = Callable[[Path], object]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design, what it was made from, and files of the user's; tests work on copies."""
    folder = tmp_path_factory.mktemp("origin")
    rng = np.random.default_rng(int(os.environ["LSTMITH_SEED"]))
    shapes = {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    np.savez(folder / "model.npz", allow_pickle=False, **{n: rng.normal(0, 0.5, shape) for n, shape in shapes.items()})
    np.savez(folder / "x.npz", x=rng.normal(0, 1, (80, WIDTH)).astype(np.float32))
    with wave.open(str(folder / "speech.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(bytes(4096))
    (folder / "policy.json").write_text('{"mode": "delta"}')
    (folder / "notes.json").write_text('{"generator": "my own script"}')
    (folder / "notes.html").write_text("<p>mine</p>")
    (folder / "notes.v").write_text("// a test bench for lstmith's core\nmodule notes; endmodule\n")
    (folder / "notes.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (folder / "page.md").write_text("<!-- bench:area begin -->\n<!-- bench:area end -->\n")
    (folder / "own" / "sub").mkdir(parents=True)
    (folder / "own" / "thesis.txt").write_text("the only copy")
    run("compile", "model.npz", "--calibration", "x.npz", "--target", "generic", "-o", "d", inside=folder)
    return folder


@pytest.fixture
def folder(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files, as the current folder."""
    shutil.copytree(origin, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def run(*arguments: str, inside: Path | None = None) -> None:
    """A command that must succeed."""
    before = Path.cwd()
    os.chdir(inside or before)
    try:
        assert execute(arguments) == 0, arguments
    finally:
        os.chdir(before)


def contents(folder: Path) -> dict[str, object]:
    """Everything in a folder: bytes of files, targets of links."""
    return {
        str(path): path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def _compile(*more: str) -> tuple[str, ...]:
    return ("compile", "model.npz", "--calibration", "x.npz", *more)


def _run(*more: str) -> tuple[str, ...]:
    return ("run", "d", "--input", "x.npz", "--engine", "golden", *more)


def _tune(*more: str) -> tuple[str, ...]:
    return ("tune", "d", "--data", "x.npz", "--metric", "h_error", "--max-loss", "1", *more)


def _link(name: str, target: str) -> Prepare:
    return lambda folder: (folder / name).symlink_to(target)


def _hard(name: str, target: str) -> Prepare:
    return lambda folder: (folder / name).hardlink_to(folder / target)


def _beside_design(name: str) -> Prepare:
    return lambda folder: (folder / "d" / name).write_text("my notes")


def _earlier_run(folder: Path) -> None:
    run(*_run("-o", "y.npz", "--json", "run.json"))


def _false_design(folder: Path) -> None:
    (folder / "false").mkdir()
    (folder / "false" / "design.json").write_text('{"rooms": 3}')


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.json")


#: What is prepared, the command, and what its message names.
CASES: list[tuple[Prepare | None, tuple[str, ...], str]] = [
    # compile
    (None, _compile("-o", "model.npz"), "model.npz: is also the input model.npz"),
    (None, _compile("-o", "x.npz"), "x.npz: is also the input x.npz"),
    (None, _compile("-o", "own"), "own: exists and holds no design.json"),
    (None, _compile("-o", "notes.json"), "notes.json: exists and holds no design.json"),
    (None, _compile("-o", "."), "holds the input"),
    (_link("link", "own"), _compile("-o", "link"), "link: is a symbolic link"),
    (_link("link", "d"), _compile("-o", "link"), "link: is a symbolic link"),
    (_link("link", "nowhere"), _compile("-o", "link"), "link: is a symbolic link"),
    (_beside_design("thesis.txt"), _compile("-o", "d"), "d: holds thesis.txt, which 'lstmith compile' did not write"),
    (_false_design, _compile("-o", "false"), "false: holds a design.json that 'lstmith compile' did not write"),
    (None, ("compile", "d/float.npz", "--calibration", "x.npz", "-o", "d"), "d: holds the input d/float.npz"),
    # run
    (None, _run("-o", "x.npz"), "x.npz: is also the input x.npz"),
    (None, _run("-o", "own/../x.npz"), "is also the input x.npz"),
    (None, _run("-o", "X.npz"), "X.npz: is also the input x.npz"),
    (_hard("y.npz", "x.npz"), _run("-o", "y.npz"), "y.npz: is also the input x.npz"),
    (_link("y.npz", "x.npz"), _run("-o", "y.npz"), "y.npz: is a symbolic link"),
    (_link("elsewhere", "."), _run("-o", "elsewhere/x.npz"), "is also the input x.npz"),
    (_link("y.npz", "gone.npz"), _run("-o", "y.npz"), "y.npz: is a symbolic link"),
    (None, _run("-o", "model.npz"), "model.npz: exists and was not written by 'lstmith run'"),
    (None, _run("-o", "d/network.npz"), "d/network.npz: exists and was not written by"),
    (None, _run("-o", "y.csv"), "y.csv: does not end in .npz"),
    (None, _run("-o", "own"), "own: does not end in .npz"),
    (None, _run("-o", "a.npz", "--json", "a.npz"), "a.npz: does not end in .json"),
    (None, _run("-o", "y.npz", "--json", "policy.json"), "policy.json: exists and was not written by 'lstmith run'"),
    (None, _run("--policy", "policy.json", "-o", "y.npz", "--json", "policy.json"), "is also the input policy.json"),
    (None, _run("-o", "y.npz", "--json", "notes.json"), "notes.json: exists and was not written by"),
    (None, _run("-o", "y.npz", "--json", "d/design.json"), "d/design.json: exists and was not written by"),
    (_pipe, _run("-o", "y.npz", "--json", "pipe.json"), "pipe.json: is no regular file"),
    # generate
    (_earlier_run, ("generate", "d", "-o", "run.v"), "run.json (beside run.v): exists and was not written by"),
    (None, ("generate", "d", "-o", "policy.v"), "policy.json (beside policy.v): exists and was not written by"),
    (None, ("generate", "d", "-o", "notes.v"), "notes.v: exists and was not written by 'lstmith generate'"),
    (None, ("generate", "d", "--package", "own"), "own: exists and holds no core.json"),
    (None, ("generate", "d", "--package", "d"), "d: is also the input d"),
    (None, ("generate", "d", "-o", "own/core.v", "--package", "own"), "lie in one another"),
    (None, ("generate", "d", "-o", "core.sv"), "core.sv: does not end in .v"),
    (_link("core.v", "notes.v"), ("generate", "d", "-o", "core.v"), "core.v: is a symbolic link"),
    # synth and build
    (_earlier_run, ("synth", "d", "--family", "ecp5", "--json", "run.json"), "was not written by 'lstmith synth'"),
    (None, ("synth", "d", "--family", "ecp5", "--json", "d/engine.json"), "was not written by 'lstmith synth'"),
    (None, ("build", "d", "--board", "ulx3s-85f", "-o", "d"), "d: is also the input d"),
    (None, ("build", "d", "--board", "ulx3s-85f", "-o", "own"), "own: exists and holds no build.json"),
    (_link("out", "own"), ("build", "d", "--board", "ulx3s-85f", "-o", "out"), "out: is a symbolic link"),
    (None, ("build", "d", "--board", "ulx3s-85f", "-o", "b", "--json", "b/build.json"), "lie in one another"),
    # tune
    (None, _tune("-o", "t.json", "--json", "t.json"), "t.json: is the same file as the output t.json"),
    (None, _tune("-o", "t.json", "--json", "T.json"), "T.json: is the same file as the output t.json"),
    (None, _tune("-o", "policy.json", "--json", "t.json"), "policy.json: exists and was not written by"),
    (None, _tune("-o", "p.json", "--json", "notes.json"), "notes.json: exists and was not written by"),
    (
        lambda folder: (folder / "t.png").write_bytes(b"a picture"),
        _tune("-o", "p.json", "--json", "t.json"),
        "t.png (beside t.json): exists and was not written by 'lstmith tune'",
    ),
    # report
    (None, ("report", "d", "-o", "model.onnx"), "model.onnx: does not end in .html"),
    (None, ("report", "d", "-o", "notes.html"), "notes.html: exists and was not written by 'lstmith report'"),
    (_earlier_run, ("report", "d", "--run", "run.json", "-o", "run.json"), "run.json: does not end in .html"),
    # vad
    (None, ("vad", "speech.wav", "--figure", "speech.wav"), "speech.wav: does not end in .png"),
    (None, ("vad", "speech.wav", "--figure", "notes.png"), "notes.png: exists and was not written by 'lstmith vad'"),
    (None, ("vad", "speech.wav", "--policy", "policy.json", "--json", "policy.json"), "is also the input policy.json"),
    # bench
    (None, ("bench", "area", "--json", "policy.json", "--document", "page.md"), "was not written by 'lstmith bench"),
    (
        _link("paper.md", "page.md"),
        ("bench", "area", "--json", "a.json", "--document", "paper.md"),
        "paper.md: is a symbolic link",
    ),
    (
        None,
        ("bench", "area", "--json", "a.json", "--document", "page.md", "--document", "./page.md"),
        "is the same file as the output page.md",
    ),
    (None, ("bench", "area", "--json", "a.json", "--document", "notes.html"), "notes.html: has no block 'bench:area'"),
]


def test_there_are_forty_ways() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize(("prepare", "command", "named"), CASES, ids=[" ".join(case[1]) for case in CASES])
def test_refused(
    prepare: Prepare | None,
    command: tuple[str, ...],
    named: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if prepare is not None:
        prepare(folder)
    capsys.readouterr()
    # Before any work: what a command does first is to read its design or model.
    for work in ("lstmith.compiler.design.Design.load", "lstmith.compiler.pipeline.read_model"):
        monkeypatch.setattr(work, _too_late)
    before = contents(folder)
    code = execute(command)
    told = capsys.readouterr().err
    assert (code, told.count("\n")) == (2, 1), told
    assert named in told
    assert "; " in told
    assert contents(folder) == before


def _too_late(*_: object, **__: object) -> None:
    raise AssertionError("the command began its work")


def test_own_outputs_are_replaced(folder: Path) -> None:
    commands = [
        _compile("--target", "generic", "-o", "d"),
        _run("-o", "y.npz", "--json", "run.json"),
        ("generate", "d", "-o", "core.v"),
        _tune("--trials", "8", "--workers", "1", "-o", "best.json", "--json", "t.json"),
        _run("--policy", "best.json", "-o", "y.npz", "--json", "run.json"),
        ("report", "d", "--run", "run.json", "-o", "d.html"),
    ]
    for _ in range(2):
        for command in commands:
            run(*command)
    assert json.loads((folder / "run.json").read_text())["mismatches"] == 0


def test_empty_files_and_folders_may_be_replaced(folder: Path) -> None:
    (folder / "y.npz").touch()
    (folder / "new").mkdir()
    run(*_run("-o", "y.npz"))
    run(*_compile("--target", "generic", "-o", "new"))


def test_a_tuned_policy_is_no_place_for_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(*_tune("--trials", "8", "--workers", "1", "-o", "best.json", "--json", "t.json"))
    capsys.readouterr()
    for output in ("best.json", "t.json"):
        assert execute(_run("-o", "y.npz", "--json", output)) == 2
        assert f"{output}: exists and was not written by 'lstmith run'" in capsys.readouterr().err


def test_a_folder_writes_only_what_it_declares(tmp_path: Path) -> None:
    kind = Folder("lstmith x", "x.json", (), ("x.json", "part/*.npz"))

    def write(name: str) -> None:
        with whole_directory(tmp_path / "a", kind) as draft:
            (draft / name).write_text("{}")

    with pytest.raises(ValueError, match=r"y\.json is not among the names"):
        write("y.json")
    assert not list(tmp_path.iterdir())
