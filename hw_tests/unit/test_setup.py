"""The set-up script on machines that lack something: it installs it, or says in one line what to install."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path("scripts", "setup", "environment.sh")
ROOT = Path(__file__).resolve().parents[2]


class Machine:
    """A folder with a copy of the script, and a PATH on which only a few programs are."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        (folder / SCRIPT).parent.mkdir(parents=True)
        shutil.copy(ROOT / SCRIPT, folder / SCRIPT)
        for name in ("bash", "dirname", "tr", "g++", "make", "perl"):
            self.link(name)

    def link(self, name: str) -> None:
        program = shutil.which(name)
        assert program is not None
        (self.programs / name).symlink_to(program)

    def fake(self, name: str, script: str) -> None:
        program = self.programs / name
        program.write_text(f"#!{shutil.which('bash')}\n{script}\n")
        program.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        command = [self.programs / "bash", self.folder / SCRIPT]
        return subprocess.run(command, env={"PATH": str(self.programs)}, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_user_is_told_what_to_install(machine: Machine) -> None:
    machine.fake("id", "echo 1000")
    machine.fake("apt-get", f"touch {machine.folder}/called")
    done = machine.run()
    assert done.returncode == 1
    assert done.stderr.startswith("missing system packages: run 'sudo apt-get install iverilog")
    assert done.stderr.count("\n") == 1
    assert not (machine.folder / "called").exists()


def test_root_installs_what_is_missing(machine: Machine) -> None:
    machine.fake("id", "echo 0")
    # Failing at "install" ends the script before it makes an environment.
    machine.fake("apt-get", f'echo "$DEBIAN_FRONTEND $*" >> {machine.folder}/called; [[ $1 == update ]]')
    assert machine.run().returncode != 0
    update, install = (machine.folder / "called").read_text().splitlines()
    assert update == "noninteractive update -qq"
    assert install.startswith("noninteractive install -y -qq --no-install-recommends iverilog")
    assert "g++" not in install, "what is there is not installed again"


def test_check_without_set_up_says_what_to_run(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", "-C", str(tmp_path), "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "make check: .venv has no tools yet; run 'make setup' once"
    assert list(tmp_path.iterdir()) == [tmp_path / "Makefile"]


def test_set_up_keeps_to_the_pins() -> None:
    """Also in make: other pins are another environment."""
    assert "pins=constraints/python.txt" in (ROOT / SCRIPT).read_text()
    assert '--constraint "$pins"' in (ROOT / SCRIPT).read_text()
    rule = re.search(r"^\$\(ENVIRONMENT\):(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert rule is not None
    assert "constraints/python.txt" in rule[1].split()
