"""The one exception a user may see: input that is wrong in a way the user can mend."""

from __future__ import annotations

from typing import Any


class UserError(Exception):
    """Wrong input; the command line prints it as one line and exits with code 2.

    Parameters
    ----------
    where : str
        The file, field or option at fault, as the user wrote it.
    problem : str
        What is wrong, with the offending value.
    fix : str
        What to do about it.
    """

    def __init__(self, where: str, problem: str, fix: str):
        self.where, self.problem, self.fix = where, problem, fix
        #: Address of the worker of a campaign that it comes from; empty if it is of this process.
        self.worker = ""
        super().__init__(f"{where}: {problem}; {fix}")

    def __reduce__(self) -> tuple[Any, ...]:
        """As it passes between processes: subclasses are made from other arguments."""
        return _restored, (type(self), str(self), vars(self))


def _restored(kind: type[UserError], text: str, attributes: dict[str, Any]) -> UserError:
    error = kind.__new__(kind)
    error.args = (text,)
    vars(error).update(attributes)
    return error
