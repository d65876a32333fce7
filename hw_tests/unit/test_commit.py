"""The commit of a build is that of the package's own source, never that of a repository around it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from setuptools import Distribution

from lstmith.flow import commit
from lstmith.flow.commit import COMMIT_BYTES, RECORD, source_commit

ROOT = Path(__file__).resolve().parents[2]
UNKNOWN = bytes(COMMIT_BYTES)


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=user", "-c", "user.email=user@example.org", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _repository(folder: Path) -> bytes:
    """A repository with one commit; its first bytes."""
    _git(folder, "init", "-q")
    _git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return bytes.fromhex(_git(folder, "rev-parse", "HEAD"))[:COMMIT_BYTES]


def _package(root: Path) -> Path:
    """A copy of the package's file below a root; returns the copy."""
    (root / "flow").mkdir(parents=True)
    return Path(shutil.copy(commit.__file__, root / "flow"))


@pytest.fixture(autouse=True)
def _no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_checkout_tells_its_head(tmp_path: Path) -> None:
    file = _package(tmp_path)
    assert source_commit(file) == UNKNOWN
    assert source_commit(file) != (head := _repository(tmp_path)) == source_commit(file)
    assert any(head)


def test_a_repository_around_the_package_is_not_asked(tmp_path: Path) -> None:
    head = _repository(tmp_path)
    file = _package(tmp_path / ".venv" / "lib" / "site-packages" / "lstmith")
    assert source_commit(file) == UNKNOWN
    (file.parent / RECORD).write_text("0123456789abcdef")
    assert source_commit(file) == bytes.fromhex("0123456789abcdef") != head


def test_a_git_hook_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    file = _package(ours)
    theirs.mkdir()
    _repository(theirs)
    monkeypatch.setenv("GIT_DIR", str(theirs / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(ours))
    assert source_commit(file) == UNKNOWN


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _package(tmp_path)
    _repository(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_commit(file) == UNKNOWN


# Older versions of setuptools call the table that every project uses by now unfinished.
@pytest.mark.filterwarnings("ignore:Support for `.tool.setuptools.`")
@pytest.mark.parametrize("checkout", [True, False])
def test_a_wheel_records_the_commit(checkout: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the build command that pyproject.toml names, on a project of one package."""
    source, lib = tmp_path / "source", tmp_path / "lib"
    _package(source)
    (source / "scripts" / "setup").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup" / "wheel.py", source / "scripts" / "setup")
    command_line = re.search(r"^cmdclass = .*$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert command_line is not None
    (source / "pyproject.toml").write_text(
        '[project]\nname = "lstmith"\nversion = "1"\n'
        f'[tool.setuptools]\npackages = ["lstmith.flow"]\n{command_line[0]}\n'
        '[tool.setuptools.package-dir]\n"lstmith.flow" = "flow"\n'
    )
    head = _repository(source if checkout else tmp_path)
    # What an earlier build left behind does not stay.
    (lib / "lstmith" / "flow").mkdir(parents=True)
    (lib / "lstmith" / "flow" / RECORD).write_text("ff" * COMMIT_BYTES)
    monkeypatch.chdir(source)
    distribution = Distribution({"script_name": "setup.py"})
    distribution.parse_config_files()
    command = distribution.get_command_obj("build_py")
    command.build_lib = str(lib)
    command.ensure_finalized()
    command.run()
    file = lib / "lstmith" / "flow" / "commit.py"
    assert source_commit(file) == (head if checkout else UNKNOWN)
