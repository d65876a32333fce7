"""Names that options of benches take."""

from __future__ import annotations

from collections.abc import Iterable

from lstmith.spec.errors import UserError


def check_known(option: str, given: Iterable[object], known: Iterable[object], between: str = ", ") -> None:
    """Refuse what is not known.

    Parameters
    ----------
    option : str
    given, known : iterable
    between : str
        Stands between the known ones in the message; another if they have commas themselves.

    Raises
    ------
    UserError
        With the first of the unknown.
    """
    names = list(known)
    if unknown := sorted(set(given) - set(names), key=str):
        raise UserError(f"option {option}", f"{unknown[0]!r} is unknown", f"use {between.join(map(str, names))}")
