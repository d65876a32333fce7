"""Fields that payloads have only in engines of several programs."""

from typing import Any

from amaranth.hdl import Const, Value, ValueLike

from lstmith.spec.config import EngineConfig


def final_field(config: EngineConfig) -> dict[str, int]:
    """The field that says that a layer is its program's last, where programs may have several numbers of layers."""
    return {"final": 1} if config.programs > 1 and config.layers > 1 else {}


def is_final(value: Any, layers: int) -> Value:
    """Whether a result or an event is of its program's last layer, on an engine of so many layers."""
    found: Value = value.final if "final" in value.shape().members else value.layer == layers - 1
    return found


def set_final(value: Any, final: ValueLike) -> list[Any]:
    """Assignments that make a structure tell that a layer is the last one."""
    return [value.final.eq(final)] if "final" in value.shape().members else []


def program_field(config: EngineConfig) -> dict[str, int]:
    """The field of a layout that says which of several programs; none with one."""
    return {"program": config.program_bits} if config.programs > 1 else {}


def program_of(value: Any) -> Value:
    """The program that a structure tells, of no bits where there is one only."""
    return value.program if "program" in value.shape().members else Const(0, 0)


def set_program(value: Any, program: Value) -> list[Any]:
    """Assignments that make a structure tell a program."""
    return [value.program.eq(program)] if "program" in value.shape().members else []
