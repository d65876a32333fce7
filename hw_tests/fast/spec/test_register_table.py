"""The register map: every number has its entry, nothing overlaps, and words are packed as the fields say."""

from __future__ import annotations

import itertools

import pytest

from lstmith.spec.config import ACTIVE_COUNTS, MOST, EngineConfig, bits_for
from lstmith.spec.core_map import MEMORIES, core_map
from lstmith.spec.link_map import LinkRegister
from lstmith.spec.register_map import Access, Bus, Field, Running
from lstmith.spec.register_table import TABLE, entry_of, pack_register
from lstmith.spec.registers import (
    ADDRESS_BITS,
    DATA_BITS,
    OF_PROGRAM,
    PROGRAM_REGISTERS,
    REGION_SHIFT,
    FrontRegister,
    Register,
)
from lstmith.spec.streams import H_USER, H_USER_BITS, X_USER, X_USER_BITS

SMALL = EngineConfig(lanes=1, precisions=(4,), units=1, inputs=1, weight_depth=1)
LARGE = EngineConfig(
    lanes=4096,
    precisions=(4, 8, 16),
    peepholes=True,
    planes=2,
    skip=True,
    monitor=True,
    active_counts=8,
    units=1 << 14,
    inputs=1 << 16,
    layers=256,
    weight_depth=1 << 11,
)


def test_every_register_has_its_entry() -> None:
    numbers = [*Register, *FrontRegister, *LinkRegister]
    assert len(TABLE) == len(numbers)
    assert all(entry_of(register).register is register for register in numbers)


def test_addresses_ascend() -> None:
    places = [entry.address for entry in TABLE]
    assert places == sorted(set(places))


def test_fields_do_not_overlap() -> None:
    for entry in TABLE:
        masks = [field.mask for field in entry.fields]
        assert all(a & b == 0 for a, b in itertools.combinations(masks, 2)), entry.name
        assert sum(masks) < 1 << DATA_BITS, entry.name


@pytest.mark.parametrize("config", [SMALL, LARGE])
def test_memories_have_windows_of_their_own(config: EngineConfig) -> None:
    spans = [range(memory.base, memory.base + memory.words(config)) for memory in core_map(config).memories]
    assert all(before.stop <= after.start for before, after in itertools.pairwise(spans))
    assert all(span.start % len(span) == 0 and len(span) & (len(span) - 1) == 0 for span in spans)
    assert spans[-1].stop <= 1 << ADDRESS_BITS
    assert spans[0].start >= 1 << REGION_SHIFT


def test_what_was_built_fits_its_fields() -> None:
    for config, entry in itertools.product((SMALL, LARGE), TABLE):
        if entry.reset is not None:
            assert entry.reset(config) & ~sum(field.mask for field in entry.fields) == 0, entry.name


@pytest.mark.parametrize(("fields", "bits"), [(X_USER, X_USER_BITS), (H_USER, H_USER_BITS)])
def test_user_bits_hold_the_largest_engine(fields: tuple[Field, ...], bits: int) -> None:
    """What goes beside an element or a result, and with it through the registers X and H."""
    widths = {"layer": bits_for(MOST["layers"]), "mask": bits_for(ACTIVE_COUNTS)}
    assert {field.name: field.width for field in fields} == {field.name: widths.get(field.name, 1) for field in fields}
    assert all(a.mask & b.mask == 0 for a, b in itertools.combinations(fields, 2))
    assert sum(field.mask for field in fields) < 1 << bits
    register = entry_of(FrontRegister.X if fields is X_USER else FrontRegister.H)
    assert all(register.field(field.name).width == field.width for field in fields if field.name != "keep")


def test_a_core_has_what_was_built() -> None:
    names = {entry.name for entry in core_map(SMALL).entries}
    assert "words_16" not in names
    assert "x_monitor" not in names
    assert "irq_status" not in names
    assert "irq_status" in {entry.name for entry in core_map(SMALL, Bus.AXI).entries}
    assert [memory.name for memory in core_map(SMALL).memories] == ["program", "rows", "cell", "hidden", "weights"]
    assert core_map(LARGE).memories == MEMORIES


def test_every_program_has_its_registers() -> None:
    config = EngineConfig(lanes=1, precisions=(4,), units=1, inputs=1, weight_depth=1, programs=3)
    places = {entry.name: entry.address for entry in core_map(config).entries}
    for register in OF_PROGRAM:
        name = register.name.lower()
        assert [places[name], places[f"{name}_1"], places[f"{name}_2"]] == [
            register + PROGRAM_REGISTERS * program for program in range(3)
        ]
    # Besides the counter of skipped steps: those that name no program are skipped.
    assert len(places) == len(core_map(SMALL).entries) + 2 * len(OF_PROGRAM) + 1
    assert list(places.values()) == sorted(set(places.values()))


def test_settings_are_closed_while_running() -> None:
    """What acts on steps in flight is written between them."""
    for entry in TABLE:
        if isinstance(entry.register, Register):
            assert entry.running is (Running.NONE if entry.access is Access.WRITE else Running.ALL), entry.name


def test_words_are_packed_as_the_fields_say() -> None:
    assert pack_register(Register.SKIP_RULE, limit=5, predictor=1) == 0x15
    assert pack_register(Register.SKIP_THRESHOLD, threshold=-1) == 0xFFFFFF
    with pytest.raises(ValueError, match="limit of skip_rule must fit 4 bits, not 16"):
        pack_register(Register.SKIP_RULE, limit=16, predictor=0)
    with pytest.raises(ValueError, match="skip_rule has fields"):
        pack_register(Register.SKIP_RULE, limit=1)
