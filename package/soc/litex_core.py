"""The core of this package as a LiteX module.

    from litex_core import InferenceCore

    self.lstm = InferenceCore(platform, "package")
    self.bus.add_slave("lstm", self.lstm.bus, self.lstm.region(0x90000000))
    self.irq.add("lstm")
    self.dma = StreamDMA(self.lstm)
    self.bus.add_master("x_reader", self.dma.reader.bus)
    self.bus.add_master("h_writer", self.dma.writer.bus)

This text is yours, under any terms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from litex.build.sim import SimPlatform
from litex.gen import LiteXModule
from litex.soc.cores.dma import WishboneDMAReader, WishboneDMAWriter
from litex.soc.integration.soc import SoCRegion
from litex.soc.interconnect import stream, wishbone
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel
from migen import Cat, ClockSignal, Instance, ResetSignal

#: What an endpoint's handshake calls ports; the others are its payload, by their own names.
_X_HANDSHAKE = {"valid": "valid", "ready": "ready", "start": "first"}
_H_HANDSHAKE = {"valid": "valid", "ready": "ready", "last": "last"}
#: Ports of the slave by what LiteX calls them. A classic master does not look at wb_stall_o.
_BUS = {
    "wb_cyc_i": "cyc",
    "wb_stb_i": "stb",
    "wb_we_i": "we",
    "wb_adr_i": "adr",
    "wb_dat_i": "dat_w",
    "wb_sel_i": "sel",
    "wb_dat_o": "dat_r",
    "wb_ack_o": "ack",
    "wb_err_o": "err",
}


class InferenceCore(LiteXModule):
    """A core with a Wishbone bus, in the clock domain ``sys``.

    Parameters
    ----------
    platform : GenericPlatform
        Is given the Verilog.
    package : str or Path
        The folder that ``lstmith generate --bus wishbone --package`` wrote.

    Attributes
    ----------
    bus : wishbone.Interface
        Slave with all registers and memories; core.json and the package's README describe them. It must not be cached.
    sink : stream.Endpoint
        x, one element per transfer: ``first`` begins a sequence (port x_start), the payload is the x ports' by name.
    source : stream.Endpoint
        h, one result per transfer: ``last`` is the last unit of a step, the payload is the h ports' by name.
    busy : Signal
        Something is in flight.
    ev : EventManager
        Event ``core``: the interrupt line, whose causes the core's own registers IRQ_ENABLE and IRQ_STATUS hold.

    Raises
    ------
    ValueError
        If the core has another bus.
    """

    def __init__(self, platform: Any, package: str | Path):
        package = Path(package)
        self.description = json.loads((package / "core.json").read_text(encoding="utf-8"))
        if self.description["bus"] != "wishbone":
            bus = self.description["bus"]
            raise ValueError(f"{package}: the core's bus is {bus}; generate it with --bus wishbone")
        ports = {port["name"]: port for port in self.description["ports"]}
        self.bus = _bus()
        self.sink = stream.Endpoint(_payload(ports, "x_", _X_HANDSHAKE))
        self.source = stream.Endpoint(_payload(ports, "h_", _H_HANDSHAKE))
        self.ev = EventManager()
        self.ev.core = EventSourceLevel(description="A bit of IRQ_STATUS is set and enabled.")
        self.ev.finalize()

        wired = {"wb_clk_i": ClockSignal("sys"), "wb_rst_i": ResetSignal("sys"), "irq": self.ev.core.trigger}
        wired |= {port: getattr(self.bus, name) for port, name in _BUS.items()}
        wired["wb_adr_i"] = self.bus.adr[: ports["wb_adr_i"]["width"]]
        for prefix, endpoint, handshake in (("x_", self.sink, _X_HANDSHAKE), ("h_", self.source, _H_HANDSHAKE)):
            wired |= {
                port: getattr(endpoint, handshake.get(port.removeprefix(prefix), port.removeprefix(prefix)))
                for port in ports
                if port.startswith(prefix)
            }
        self.specials += Instance(
            self.description["module"],
            **{f"{ports[port]['direction'][0]}_{port}": signal for port, signal in wired.items()},
        )
        # Models of the vendor's cells are for simulation alone: synthesis has its own.
        cells = self.description["cells"] if isinstance(platform, SimPlatform) else None
        for source in ("core.v", *([cells] if cells else [])):
            platform.add_source(str(package.resolve() / source))

    def region(self, origin: int) -> SoCRegion:
        """The region of the bus from a byte address on, a multiple of its size, 64 MiB."""
        width = next(port["width"] for port in self.description["ports"] if port["name"] == "wb_adr_i")
        return SoCRegion(origin=origin, size=4 << width, cached=False)


class StreamDMA(LiteXModule):
    """Moves x from the system's memory to a core and h back, a word of 32 bits per transfer.

    Words are as those of the core's registers X and H: of x, the value in bits 15:0, start in 16, restart in 17, the
    program from 24 on where there are several; of h, the value in bits 15:0, last in 16. The core's register STREAMS
    must be 0. The CPU's cache does not see what the writer wrote.

    Parameters
    ----------
    core : InferenceCore

    Attributes
    ----------
    reader : WishboneDMAReader
        Reads x; its CSRs are base, length in bytes, enable, done, loop and offset.
    writer : WishboneDMAWriter
        Writes h, likewise.
    """

    def __init__(self, core: InferenceCore):
        # LiteX calls words big-endian whose bytes it leaves as they are.
        self.reader = reader = WishboneDMAReader(_bus(), endianness="big", with_csr=True)
        self.writer = writer = WishboneDMAWriter(_bus(), endianness="big", with_csr=True)
        self.comb += [
            reader.source.connect(core.sink, keep={"valid", "ready"}),
            core.sink.value.eq(reader.source.data[:16]),
            core.sink.first.eq(reader.source.data[16]),
            core.sink.restart.eq(reader.source.data[17]),
            *([core.sink.program.eq(reader.source.data[24:])] if hasattr(core.sink, "program") else []),
            core.source.connect(writer.sink, keep={"valid", "ready"}),
            writer.sink.data.eq(Cat(core.source.value, core.source.last)),
        ]


def _bus() -> wishbone.Interface:
    return wishbone.Interface(data_width=32, address_width=32, addressing="word")


def _payload(
    ports: Mapping[str, Mapping[str, Any]], prefix: str, handshake: Mapping[str, str]
) -> list[tuple[str, Any]]:
    """The layout of an endpoint's payload: name and width, or width and sign."""
    return [
        (name.removeprefix(prefix), (port["width"], True) if port["signed"] else port["width"])
        for name, port in ports.items()
        if name.startswith(prefix) and name.removeprefix(prefix) not in handshake
    ]
