"""What names a symbol: a whole number of a table's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.spec.errors import UserError


def check_symbols(x: npt.NDArray[Any], valid: npt.NDArray[np.bool_], symbols: int, where: str) -> None:
    """Refuse what names no symbol.

    Parameters
    ----------
    x : [N, T, 1]
    valid : bool [N, T]
        Steps that exist.
    symbols : int
        How many there are.
    where : str
        The value, for messages.

    Raises
    ------
    UserError
        Naming the first number that is not whole, negative, or beyond the table.
    """
    if bad := np.argwhere(valid[:, :, None] & ((x != np.floor(x)) | (x < 0) | (x >= symbols))).tolist():
        place = tuple(bad[0])
        raise UserError(
            where,
            f"is {x[place]:g} at {place}",
            f"x of width 1 names symbols: give one number in 0..{symbols - 1} per step",
        )
