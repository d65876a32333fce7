"""The list of properties: a bench is decorated with what it proves, how deep, what it reaches and what breaks it.

A property of a part, in a module of ``hw_tests/formal/benches/``::

    @proves(
        "part never does this",
        fault=Fault(part, "a line of it, unique in its module", "the line that breaks the property"),
        says="What a reader may rely on, in a sentence.",
        depth=4,
        cover=8,
    )
    class PartBench(Around): ...

``hw_tests/formal/test_properties.py`` proves it, reaches its covers and sees it fail on the fault;
``scripts/docs/properties.py`` writes the list as docs/verification/properties.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

Make = TypeVar("Make", bound=Callable[..., wiring.Component])


@dataclass(frozen=True)
class Fault:
    """A line of a module, which occurs once there, and what breaks the property in its place."""

    module: ModuleType
    line: str
    broken: str

    @property
    def block(self) -> str:
        """The module's file, as in the repository."""
        return self.module.__name__.removeprefix("lstmith.").replace(".", "/") + ".py"

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Classes and functions of the module are the broken ones."""
        source = inspect.getsource(self.module)
        if source.count(self.line) != 1:
            raise LookupError(f"{self.block} has {source.count(self.line)} times {self.line!r}, not once")
        code = compile(source.replace(self.line, self.broken), str(self.module.__file__), "exec")
        names: dict[str, Any] = {"__name__": self.module.__name__}
        exec(code, names)
        sound = {
            name: getattr(self.module, name)
            for name, part in names.items()
            if (inspect.isclass(part) or inspect.isfunction(part)) and part.__module__ == self.module.__name__
        }
        for name in sound:
            setattr(self.module, name, names[name])
        try:
            yield
        finally:
            for name, part in sound.items():
                setattr(self.module, name, part)


@dataclass(frozen=True)
class Property:
    """What is proven of a part.

    Attributes
    ----------
    name : str
    says : str
        A sentence.
    bench : Callable
        Makes the component that asks; it names classes and functions of the part through their module, where faults
        are planted.
    fault : Fault
    depth : int
        Cycles of the induction, or of the bounded proof.
    cover : int
        Cycles in which the bench's covers are reached.
    enough : str
        Why ``depth`` cycles after reset are enough; empty for induction.
    variants : tuple
        Arguments of ``bench``, all of which are proven; the first is that of the cover and of the fault.
    """

    name: str
    says: str
    bench: Callable[..., wiring.Component]
    fault: Fault
    depth: int
    cover: int
    enough: str
    variants: tuple[tuple[Any, ...], ...]

    @property
    def method(self) -> str:
        """How it is proven."""
        return "bounded" if self.enough else "induction"


#: All properties, by name.
PROPERTIES: dict[str, Property] = {}


def proves(
    name: str,
    *,
    says: str,
    fault: Fault,
    depth: int,
    cover: int,
    enough: str = "",
    variants: tuple[tuple[Any, ...], ...] = ((),),
) -> Callable[[Make], Make]:
    """Puts a bench into the list; see :class:`Property`."""

    def enter(bench: Make) -> Make:
        if name in PROPERTIES:
            raise ValueError(f"there is a property {name!r} already")
        PROPERTIES[name] = Property(name, says, bench, fault, depth, cover, enough, variants)
        return bench

    return enter


class Around(wiring.Component):
    """A unit whose inputs are free; ``ask`` says what is assumed and claimed of it.

    Parameters
    ----------
    unit : Component
    free : dict
        More inputs, which are free in every cycle.
    """

    def __init__(self, unit: Any, **free: Any):
        self.unit = unit
        super().__init__({"ports": Out(unit.signature), **free})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = self.unit
        connect(m, self.unit, flipped(self.ports))
        self.ask(m, self.unit)
        return m

    def ask(self, m: Module, unit: Any) -> None:
        """Assumptions, assertions and covers."""
        raise NotImplementedError


def all_properties() -> dict[str, Property]:
    """The list, from all modules of ``benches``."""
    for path in sorted((Path(__file__).parent / "benches").glob("*.py")):
        import_module(f"hw_tests.formal.benches.{path.stem}")
    return PROPERTIES
