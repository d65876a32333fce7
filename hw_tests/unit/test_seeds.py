"""Seeds of a build on several workers: what seeds in turn give, and nothing placed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_tests.unit.tuning_cases import UNITS, WIDTH
from lstmith.boards.catalogue import find_board
from lstmith.cli.main import execute
from lstmith.test_support.stand_ins import stand_ins

CLOCK = find_board("ulx3s-25f").clock_mhz
#: By seed 0 to 4: the first two of a build that begins with seed 1 are too slow.
REACHED = (CLOCK + 30, CLOCK - 9, CLOCK - 7, CLOCK + 11, CLOCK + 20)


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    rng = np.random.default_rng(5)
    shapes = {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    arrays: dict[str, Any] = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    np.savez(folder / "model.npz", **arrays)
    np.savez(folder / "data.npz", x=rng.normal(0, 1, (40, WIDTH)))
    given = ("--calibration", str(folder / "data.npz"), "--target", "ulx3s-25f", "-o", str(folder / "design"))
    assert execute(["compile", str(folder / "model.npz"), *given]) == 0
    return folder / "design"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the tools that stand in tell."""
    path = stand_ins(tmp_path / "tools", tmp_path / "log", reached=REACHED, seconds=0.3)
    monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
    monkeypatch.setenv("LSTMITH_TOOLS", "native")
    monkeypatch.setenv("LSTMITH_CACHE", str(tmp_path / "kept"))
    return tmp_path / "log"


def arguments(design: Path, out: Path, *options: object) -> list[str]:
    given = ["--board", "ulx3s-25f", "-o", out, "--json", out.with_suffix(".json"), *options]
    return ["build", str(design), *map(str, given)]


def built(design: Path, out: Path, *options: object) -> dict[str, Any]:
    assert execute(arguments(design, out, *options)) == 0
    return dict(json.loads(out.with_suffix(".json").read_text()))


def runs(log: Path, what: str, tool: str = "nextpnr-ecp5") -> list[str]:
    """Clock and seed, or what else a tool tells first, of its runs that begin or end."""
    lines = (line.split() for line in log.read_text().splitlines())
    return sorted(" ".join(words[2:4]) for words in lines if words[:2] == [tool, what])


def kept(folder: Path) -> int:
    """Placements that another build would find; a draft of one is a folder with a suffix."""
    return sum(not path.parent.suffix for path in (folder / "kept").glob("*/report.json"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs processes that end with their parents")
def test_several_workers_give_what_seeds_in_turn_give(
    design: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTMITH_CACHE", str(tmp_path / "own"))
    turn = built(design, tmp_path / "turn")
    monkeypatch.setenv("LSTMITH_CACHE", str(tmp_path / "kept"))
    wide = built(design, tmp_path / "wide", "--workers", 3)
    assert wide["seeds"] == turn["seeds"] == {str(seed): REACHED[seed] for seed in (1, 2, 3)}
    assert {wide["seed"], turn["seed"]} == {3}
    assert (tmp_path / "wide" / "lstmith.bit").read_bytes() == (tmp_path / "turn" / "lstmith.bit").read_bytes()
    # Both did all of it; a third time nothing is done.
    assert runs(log, "begins") == sorted(f"{CLOCK} {seed}" for seed in (1, 2, 3) for _ in range(2))
    again = built(design, tmp_path / "again", "--workers", 2, "--seeds", 4)
    assert again["reused"] == ["synthesis", "placement and routing"]
    # The fourth is placed for nothing, or not: it is behind the one that is kept.
    assert len(runs(log, "begins")) <= 7
    assert len(runs(log, "begins", "yosys")) == 2


def test_the_first_seed_that_meets_the_clock_is_kept(design: Path, log: Path, tmp_path: Path) -> None:
    found = built(design, tmp_path / "out", "--workers", 3, "--seed", 2, "--seeds", 3)
    assert (found["seed"], found["seeds"]) == (3, {str(seed): REACHED[seed] for seed in (2, 3)})


def test_no_seed_meets_the_clock(design: Path, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(arguments(design, tmp_path / "out", "--workers", 2, "--seeds", 2)) == 2
    assert f"{REACHED[2]:.1f} MHz of {CLOCK:.1f} MHz is the best of seeds 1, 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_tool_that_fails_on_a_worker(
    design: Path, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    router = tmp_path / "tools" / "nextpnr-ecp5"
    router.write_text(
        f"#!/bin/sh\n[ $1 = --version ] && exec {sys.executable} {router}.py --version\necho ERROR: no\nexit 3\n"
    )
    (tmp_path / "tools" / "nextpnr-ecp5.py").write_text("print('(Version nextpnr-0.9)')")
    assert execute(arguments(design, tmp_path / "out", "--workers", 2)) == 1
    assert "nextpnr-ecp5 failed (ERROR: no)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_placement_that_does_not_end(
    design: Path,
    log: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    router = tmp_path / "tools" / "nextpnr-ecp5"
    router.write_text(
        f"#!{sys.executable}\nimport sys\nif '--version' in sys.argv:\n    print('(Version nextpnr-0.9)')\n"
    )
    with router.open("a") as file:
        file.write("while '--version' not in sys.argv:\n    pass\n")
    monkeypatch.setattr("lstmith.flow.routing.LONGEST", 1)
    assert execute(arguments(design, tmp_path / "out", "--workers", 1)) == 1
    assert "nextpnr-ecp5 was not done after 0.017 minutes of a processor, see " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [(), ("--workers", 1)], ids=["here", "worker"])
@pytest.mark.parametrize("told", ["Unable to find legal placement for cell 'a'", "cell 'a' is unknown"])
def test_another_placer_has_its_turn(
    told: str,
    options: tuple[object, ...],
    design: Path,
    log: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a device that is nearly full, where the first finds no placement; any other failure stays one."""
    monkeypatch.setattr("lstmith.flow.families.PLACER_SHARE", 0.1)
    router = tmp_path / "tools" / "nextpnr-ecp5"
    able = router.rename(router.with_name("able"))
    tries = tmp_path / "tries"
    script = f'#!/bin/sh\n[ $1 = --version ] || echo "$*" >> {tries}\n'
    script += f'case "$*" in *"--placer heap"*) echo "ERROR: {told}"; exit 125;; *) exec {able} "$@";; esac\n'
    router.write_text(script)
    router.chmod(0o755)
    given = arguments(design, tmp_path / "out", *options, "--seeds", 1)
    if told.startswith("Unable"):
        assert execute([*given, "--clock", "65"]) == 0
        first, second = tries.read_text().splitlines()
        assert "--placer heap" in first
        assert "--placer static" in second
    else:
        assert execute(given) == 1
        assert f"nextpnr-ecp5 failed (ERROR: {told})" in capsys.readouterr().err
        assert len(tries.read_text().splitlines()) == 1


@pytest.mark.parametrize("options", [(), ("--workers", 1)], ids=["here", "worker"])
@pytest.mark.parametrize(("rounds", "then", "tries"), [(101, "exec sleep 1000", 2), (101, "able", 2), (100, "able", 1)])
def test_a_router_that_goes_in_circles(
    rounds: int, then: str, tries: int, options: tuple[object, ...], design: Path, log: Path, tmp_path: Path
) -> None:
    """It runs again without going on until the clock is met, also if it ended before anyone looked."""
    router = tmp_path / "tools" / "nextpnr-ecp5"
    able = router.rename(router.with_name("able"))
    calls = tmp_path / "calls"
    told = "Info:     iter=$i wires=5 overused=0 overuse=0 tmgfail=12 archfail=NA"
    router.write_text(
        f"""#!/bin/sh
[ $1 = --version ] && exec {able} "$@"
echo "$*" >> {calls}
case "$*" in
*--tmg-ripup*) i=0; while [ $i -lt {rounds} ]; do i=$((i + 1)); echo "{told}"; done; {then.replace("able", ":")};;
esac
exec {able} "$@"
"""
    )
    router.chmod(0o755)
    given = arguments(design, tmp_path / "out", *options, "--seeds", 1)
    assert execute([*given, "--clock", "65"]) == 0
    first, *second = calls.read_text().splitlines()
    assert first.endswith(" --tmg-ripup")
    assert [first.removesuffix(" --tmg-ripup")] * (tries - 1) == second


@pytest.mark.slow
def test_a_killed_build_goes_on(design: Path, log: Path, tmp_path: Path) -> None:
    """After kill -9 nothing of it runs on, and what was placed is not placed again."""
    command = [
        sys.executable,
        "-c",
        "import sys; from lstmith.cli.main import execute; sys.exit(execute(sys.argv[1:]))",
    ]
    given = arguments(design, tmp_path / "out", "--workers", 2, "--seeds", 3)
    process = subprocess.Popen([*command, *given], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not kept(tmp_path):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(2.0)
    there, begun = kept(tmp_path), len(runs(log, "begins"))
    found = built(design, tmp_path / "out", "--workers", 2, "--seeds", 3)
    assert found["seed"] == 3
    assert len(runs(log, "begins", "yosys")) == 1
    # Those that were cut short, and no others, began twice.
    assert len(runs(log, "begins")) == 3 + begun - there
