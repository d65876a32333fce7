"""Part of the build of a wheel: which packages it holds, and the commit that no installed package can ask git for."""

from __future__ import annotations

import runpy
from pathlib import Path

from setuptools.command.build_py import build_py

#: Packages that only a checkout has: they fetch data, measure the project with it, or stand in for hardware in tests.
CHECKOUT_ONLY = ("lstmith.datasets", "lstmith.scripts", "lstmith.test_support", "lstmith.workloads")
#: Below the folder of pyproject.toml, where setuptools runs; the build knows no package of the project by name.
COMMIT = Path("flow", "commit.py")


class BuildPy(build_py):
    """Copies the product's packages and adds ``commit.txt``; an editable install has every package and asks git."""

    def run(self) -> None:
        if self.editable_mode:
            super().run()
            return
        every = self.distribution.packages or []
        self.packages = [name for name in every if not name.startswith(CHECKOUT_ONLY)]
        super().run()
        module = runpy.run_path(str(COMMIT))
        record = Path(self.build_lib, "lstmith", COMMIT.parent, module["RECORD"])
        # Also where the commit is unknown: an earlier build may have left its own.
        record.write_text(module["source_commit"](COMMIT).hex(), encoding="ascii")
