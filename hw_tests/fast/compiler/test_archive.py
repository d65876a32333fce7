"""What an archive may unpack to: plenty, and beyond that so many times its own size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lstmith.compiler import archive
from lstmith.compiler.archive import read_archive
from lstmith.spec.errors import UserError


def test_much_of_nothing_is_read(tmp_path: Path) -> None:
    """Zeros pack into a thousandth of their size, and are no harm while they are few."""
    x = np.zeros(1 << 20, np.uint8)
    np.savez_compressed(tmp_path / "x.npz", x=x)
    assert (tmp_path / "x.npz").stat().st_size * archive.MOST_TIMES < len(x)
    assert np.array_equal(read_archive(tmp_path / "x.npz", "fix")["x"], x)


@pytest.mark.parametrize("beyond", [0, 1])
def test_as_much_as_is_plenty_is_read_and_a_byte_more_is_not(
    beyond: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(1 << 20, np.uint8))
    header = 128
    monkeypatch.setattr(archive, "PLENTY", (1 << 20) + header - beyond)
    if beyond:
        with pytest.raises(UserError, match=f"would unpack to {(1 << 20) + header} bytes"):
            read_archive(tmp_path / "x.npz", "fix")
    else:
        assert len(read_archive(tmp_path / "x.npz", "fix")["x"]) == 1 << 20
