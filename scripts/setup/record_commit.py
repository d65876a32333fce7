"""Part of the build of a wheel: records the commit of the source, which an installed package cannot ask git for."""

from __future__ import annotations

import runpy
from pathlib import Path

from setuptools.command.build_py import build_py

#: Below the folder of pyproject.toml, where setuptools runs; the build knows no package of the project by name.
SOURCE = Path("flow", "commit.py")


class BuildPy(build_py):
    """Copies the packages and adds ``commit.txt``; an editable install asks git and needs none."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        module = runpy.run_path(str(SOURCE))
        record = Path(self.build_lib, "lstmith", SOURCE.parent, module["RECORD"])
        # Also where the commit is unknown: an earlier build may have left its own.
        record.write_text(module["source_commit"](SOURCE).hex(), encoding="ascii")
