"""What an integrator is given: :func:`write_package`, a folder with the core, its bench, its driver and its papers."""

from typing import TYPE_CHECKING

from lstmith.spec.exports import exports

if TYPE_CHECKING:
    from lstmith.package.write import write_package
else:
    __getattr__ = exports(__name__, {"write_package": "write"})

__all__ = ["write_package"]
