"""What an entry of the register map tells; ``spec.register_table`` holds the entries."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lstmith.spec.config import EngineConfig
from lstmith.spec.link_map import LinkRegister
from lstmith.spec.registers import PROGRAM_REGISTERS, FrontRegister, Region, Register, address


class Bus(enum.StrEnum):
    """How a generated core is reached."""

    NATIVE = "native"
    AXI = "axi"
    WISHBONE = "wishbone"


class Access(enum.StrEnum):
    """What software may do to a word."""

    READ = "read"
    WRITE = "write"  #: reads as 0
    READ_WRITE = "read, write"
    CLEAR = "read, write 1 to clear"

    @property
    def reads(self) -> bool:
        """Whether a read is allowed."""
        return self is not Access.WRITE

    @property
    def writes(self) -> bool:
        """Whether a write is allowed."""
        return self is not Access.READ


class Running(enum.StrEnum):
    """What of a word's access is left while the engine runs; the rest is not done, and a wrapper answers an error."""

    ALL = "all"
    READ = "read"
    NONE = "none"


@dataclass(frozen=True)
class Field:
    """Bits of a register; bits that no field names read as 0 and are ignored in writes."""

    name: str
    bit: int
    width: int
    meaning: str
    signed: bool = False

    @property
    def mask(self) -> int:
        """The field's bits in the word."""
        return ((1 << self.width) - 1) << self.bit


@dataclass(frozen=True)
class Entry:
    """What is behind a register's number.

    Parameters
    ----------
    register : Register, FrontRegister or LinkRegister
    access : Access
    running : Running
    meaning : str
    fields : tuple of Field
    reset : callable or None
        The value after a reset, of an engine's configuration; None is 0.
    image : bool
        A core that is generated with its network has the network's value after a reset.
    exists : callable or None
        Whether an engine has it; None if every one has.
    program : int
        Of which program it tells, in an engine of several.
    """

    register: Register | FrontRegister | LinkRegister
    access: Access
    running: Running
    meaning: str
    fields: tuple[Field, ...]
    reset: Callable[[EngineConfig], int] | None = None
    image: bool = False
    exists: Callable[[EngineConfig], bool] | None = None
    program: int = 0

    @property
    def name(self) -> str:
        """Lower case, as CORE.json has it; of a program but the first its number follows."""
        name = self.register.name.lower()
        return f"{name}_{self.program}" if self.program else name

    @property
    def address(self) -> int:
        """Word address."""
        region = Region.CONTROL if isinstance(self.register, Register) else Region.FRONT
        return address(region, PROGRAM_REGISTERS * self.program + self.register)

    @property
    def bits(self) -> int:
        """Width up to the highest bit that a field names."""
        return max(field.bit + field.width for field in self.fields)

    def field(self, name: str) -> Field:
        """The field of that name.

        Raises
        ------
        KeyError
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"Register {self.name} has no field {name!r}")

    def pack(self, values: Mapping[str, int]) -> int:
        """A word from the values of all fields.

        Raises
        ------
        ValueError
            If a field is missing, unknown, or its value does not fit.
        """
        if set(values) != {field.name for field in self.fields}:
            raise ValueError(
                f"Register {self.name} has fields {[field.name for field in self.fields]}, not {[*values]}"
            )
        word = 0
        for field in self.fields:
            value, half = values[field.name], 1 << (field.width - 1)
            low, high = (-half, half) if field.signed else (0, 2 * half)
            if not low <= value < high:
                raise ValueError(f"Field {field.name} of {self.name} must fit {field.width} bits, not {value!r}")
            word |= (value << field.bit) & field.mask
        return word


@dataclass(frozen=True)
class Memory:
    """A region of the map that holds a memory; nothing of it may be accessed while the engine runs.

    Parameters
    ----------
    name : str
    base : int
        Word address of its first word.
    access : Access
    bits : int
        Bits of a word that count.
    meaning : str
        What a word's place tells.
    words : callable
        Words of its window, a power of two, of an engine's configuration; those that stand for nothing are ignored.
    exists : callable or None
        Whether an engine has it; None if every one has.
    """

    name: str
    base: int
    access: Access
    bits: int
    meaning: str
    words: Callable[[EngineConfig], int]
    exists: Callable[[EngineConfig], bool] | None = None
