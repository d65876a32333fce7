"""What the tools need to know of a board; pins and clocks come from amaranth-boards."""

from __future__ import annotations

import enum
import operator
from dataclasses import dataclass

from lstmith.spec.config import EngineConfig
from lstmith.spec.link_map import Feature

FAMILIES = ("ecp5", "ice40", "gowin")
#: A resource and its number, and which of its parts.
Light = tuple[str, int] | tuple[str, int, str]


class Front(enum.StrEnum):
    """How a board is reached."""

    UART = "uart"
    SPI = "spi"


@dataclass(frozen=True, kw_only=True)
class SpiPins:
    """Where a microcontroller is wired to: names of amaranth-boards on a connector, or the device's own.

    Parameters
    ----------
    connector : (str, int) or None
    select, sck, copi, cipo : str
        Chip select is low while selected.
    irq, ready : str
        Results wait; an answer waits.
    """

    connector: tuple[str, int] | None = None
    select: str
    sck: str
    copi: str
    cipo: str
    irq: str
    ready: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """An FPGA board that engines are sized and built for.

    Parameters
    ----------
    name : str
        What the user writes.
    title : str
        What reports print.
    family : str
        ``ecp5``, ``ice40`` or ``gowin``.
    device, package, speed : str
        As the vendor names them; ``speed`` is empty where there are no grades.
    die : str
        Of several dies that share a name, the one on the board, as Gowin calls it.
    oscillator_mhz : float
        Clock on the board.
    clock_mhz : float
        Clock that builds aim at; a PLL makes it if it differs.
    luts, dsps : int
        4-input lookup tables and DSP blocks that nextpnr offers.
    brams, bram_bits : int
        Block memories and the bits of each that 16-bit words can use.
    sprams, spram_bits : int
        Large single-port memories and the bits of each.
    precisions : tuple of int
        Weight widths that the family's lanes support.
    small : bool
        Whether engines take one row per cycle and leave out what policies may do beyond lists of changes.
    weights_initialised : bool
        Whether the bitstream can carry the weights; single-port RAM starts undefined.
    platform : str
        Import path of the amaranth-boards platform, ``module:class``.
    extra_resources : str
        Attribute of the platform that lists more resources, or empty.
    uart : (str, int)
        Resource of the serial port that the host link uses.
    baud : int
        Of the host link on a serial port.
    spi : SpiPins or None
        Where SPI can be had, if the board has free pins that receive.
    front : Front
        What builds are reached by.
    window : int
        Frames of the host link that may be on their way, a power of two from 2 on; 8 fill a block memory of 2 kB.
    ring_words : int
        16-bit words of the host link's result ring.
    features : Feature
        What the host link can do; see :class:`lstmith.spec.link_map.Feature`. Both take many lookup tables.
    lights : tuple of Light
        Resources that show: alive, busy, session, fault; the first of them where a board has fewer.
    flash_offset : int
        Byte address of the weights in the serial flash, where the bitstream cannot carry them.
    loader : str
        What openFPGALoader calls the board.
    cable : str
        What it calls the programming cable, if the board has none of its own.
    wiring : str
        What has to be connected before the board can be talked to, if anything.
    """

    name: str
    title: str
    family: str
    device: str
    package: str
    speed: str
    die: str = ""
    oscillator_mhz: float
    clock_mhz: float
    luts: int
    dsps: int
    brams: int
    bram_bits: int
    sprams: int = 0
    spram_bits: int = 0
    precisions: tuple[int, ...] = (4, 8, 16)
    small: bool = False
    weights_initialised: bool = True
    platform: str
    extra_resources: str = ""
    uart: tuple[str, int] = ("uart", 0)
    baud: int = 3_000_000
    spi: SpiPins | None = None
    front: Front = Front.UART
    window: int = 8
    ring_words: int = 2048
    features: Feature = Feature.RECORDS | Feature.STATES
    lights: tuple[Light, ...]
    flash_offset: int = 0
    loader: str
    cable: str = ""
    wiring: str = ""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"Board family must be one of {FAMILIES!r}, not {self.family!r}")
        for field in ("luts", "dsps", "brams", "bram_bits"):
            if operator.index(getattr(self, field)) < 1:
                raise ValueError(f"Board {field} must be positive, not {getattr(self, field)!r}")
        if len(self.lights) > 4:
            raise ValueError(f"Board must have up to 4 lights, not {self.lights!r}")
        if ":" not in self.platform:
            raise ValueError(f"Board platform must be 'module:class', not {self.platform!r}")

    def carries_weights(self, config: EngineConfig) -> bool:
        """Whether the bitstream can carry an engine's weights: those of a fixed one lie in block memories."""
        return self.weights_initialised or config.fixed
