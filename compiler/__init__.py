"""From trained models to designs: :func:`compile_model`, and :class:`Design` with what can be done with one."""

from typing import TYPE_CHECKING

from lstmith.spec.exports import exports

if TYPE_CHECKING:
    from lstmith.compiler.design import Design
    from lstmith.compiler.pipeline import compile_model
else:
    __getattr__ = exports(__name__, {"Design": "design", "compile_model": "pipeline"})

__all__ = ["Design", "compile_model"]
