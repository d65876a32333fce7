"""The link's description: sizes that belong together, and identities that survive packing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lstmith.host.jobs import EVENT_FIELDS, OUTCOME_FIELDS, RESULT_FIELDS
from lstmith.spec.config import EngineConfig
from lstmith.spec.link_identity import IDENTITY_BYTES, Identity, pack_config, unpack_config
from lstmith.spec.link_map import (
    ANSWER_WORDS,
    FRAME_BYTES,
    LINK_REGION,
    READ_WORDS,
    RECORDS,
    STREAM_VALUES,
    WRITE_WORDS,
    Feature,
    LinkRegister,
)
from lstmith.spec.registers import FrontRegister, Region

CONFIG = EngineConfig(
    lanes=43, precisions=(4, 8), weight_depth=70_000, units=300, inputs=17, rows_per_cycle=1, skip=True
)
IDENTITY = Identity(
    window=2,
    ring_words=1024,
    features=Feature.RECORDS,
    clock_hz=60_000_000,
    baud=3_000_000,
    commit=bytes(range(8)),
    board="colorlight-5a75b",
    design_format=2,
    config=CONFIG,
)


def test_largest_bodies_fill_a_frame() -> None:
    assert (READ_WORDS, WRITE_WORDS, STREAM_VALUES, ANSWER_WORDS) == (54, 53, 106, 108)
    assert FRAME_BYTES + IDENTITY_BYTES // 2 == 256


def test_records_have_the_answers_columns() -> None:
    names = [tuple(field.name for field in record.fields) for record in RECORDS.values()]
    assert names == [RESULT_FIELDS, EVENT_FIELDS, OUTCOME_FIELDS, ("cycle", "idle")]
    for record in RECORDS.values():
        taken = [bit for f in record.fields for bit in range(16 * f.word + f.bit, 16 * f.word + f.bit + f.width)]
        assert len({0, 1, *taken}) == len(taken) + 2, "fields must overlap neither each other nor the kind"
        assert max(taken) < 16 * record.words


def test_link_shares_its_region_with_no_register_of_a_wrapper() -> None:
    assert LINK_REGION is Region.FRONT
    assert max(LinkRegister) < min(FrontRegister)


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        EngineConfig(lanes=1, precisions=(16,), family="ice40", mac="digit"),
        EngineConfig(lanes=1, precisions=(4, 8), family="ecp5", delta=False),
        EngineConfig(lanes=1, precisions=(4, 8), planes=2, monitor=True, skip=True),
    ],
)
def test_identity_survives(config: EngineConfig) -> None:
    identity = replace(IDENTITY, config=config)
    assert len(identity.pack()) == IDENTITY_BYTES
    assert Identity.unpack(identity.pack()) == identity
    assert unpack_config(pack_config(config)) == config


def test_what_is_no_identity_is_refused() -> None:
    packed = IDENTITY.pack()
    with pytest.raises(ValueError, match=r"^Identity must have 64 bytes, not 63$"):
        Identity.unpack(packed[1:])
    with pytest.raises(ValueError, match=r"^Identity must begin with 0x4c53544d, not 0x4c53544c$"):
        Identity.unpack(b"\x4c" + packed[1:])
    with pytest.raises(ValueError, match=r"^Link version must be 4, not 9$"):
        Identity.unpack(packed[:4] + b"\x09" + packed[5:])
    with pytest.raises(ValueError, match=r"^Engine lanes must be an integer in 1\.\.4096, not 0$"):
        unpack_config(bytes(2) + pack_config(CONFIG)[2:])
    with pytest.raises(ValueError, match=r"^Ring must have a power of two of words up to 32768, not 65536$"):
        replace(IDENTITY, ring_words=1 << 16).pack()
