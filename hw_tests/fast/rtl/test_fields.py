"""Fields that structures have only in some engines."""

from __future__ import annotations

from typing import Any

import pytest

from lstmith.rtl.fields import final_field, program_field
from lstmith.rtl.host_interfaces import InputSettingsSignature
from lstmith.rtl.layouts import sequence_field, single_field
from lstmith.rtl.wrappers.signatures import beat_layout, element_layout
from lstmith.spec.config import EngineConfig


def _engine(**more: Any) -> EngineConfig:
    return EngineConfig(lanes=1, precisions=(8,), **more)


@pytest.mark.parametrize(("programs", "layers", "told"), [(1, 1, 0), (1, 2, 0), (2, 1, 0), (2, 2, 1), (4, 3, 1)])
def test_programs_of_several_lengths_tell_their_last_layer(programs: int, layers: int, told: int) -> None:
    assert final_field(_engine(programs=programs, layers=layers)) == ({"final": 1} if told else {})


@pytest.mark.parametrize(("programs", "bits"), [(1, 0), (2, 1), (3, 2), (8, 3)])
def test_several_programs_have_numbers(programs: int, bits: int) -> None:
    config = _engine(programs=programs)
    assert program_field(config) == ({"program": bits} if bits else {})
    assert ("program" in InputSettingsSignature(config).members) == bool(bits)


@pytest.mark.parametrize("sequences", [1, 2])
def test_two_sequences_are_told_apart(sequences: int) -> None:
    assert sequence_field(_engine(sequences=sequences)) == ({"sequence": 1} if sequences == 2 else {})


@pytest.mark.parametrize("symbols", [0, 5])
def test_symbols_are_a_setting_of_engines_that_have_them(symbols: int) -> None:
    assert ("symbols" in InputSettingsSignature(_engine(symbols=symbols)).members) == bool(symbols)


def test_layers_of_single_rows_have_a_bit() -> None:
    assert (single_field(single_rows=False), single_field(single_rows=True)) == ({}, {"single": 1})


def test_values_on_streams_have_sixteen_bits() -> None:
    assert [layout(_engine())["value"].width for layout in (element_layout, beat_layout)] == [16, 16]
