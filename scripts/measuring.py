"""What the commands that measure for docs/verification share: options, where tests are, how they publish and end."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from lstmith.spec.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ROOT / "docs" / "verification"
#: What a shell says of a command that was stopped by Ctrl-C.
STOPPED = 130


def options(command: str, told: str | None) -> argparse.ArgumentParser:
    """A command of ``lstmith.scripts`` that takes the folder of its page."""
    parser = argparse.ArgumentParser(prog=f"python -m lstmith.scripts.{command}", description=told)
    parser.add_argument("--documents", type=_folder, default=DOCUMENTS, help="Folder for the page and the JSON.")
    return parser


def _folder(text: str) -> Path:
    """A folder that is there, made if it was missing: what is measured for hours must find it."""
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be a folder ({error.strerror})") from None
    return Path(text)


def find_tests() -> None:
    """Make ``hw_tests`` importable: tests are no package of the project's, they are found from its folder."""
    sys.path.insert(0, str(ROOT))


def publish(documents: Path, name: str, figures: Mapping[str, Any], page: str) -> None:
    """Write ``name.json``, which commands read, and ``name.md``, which people read."""
    (documents / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (documents / f"{name}.md").write_text(page, encoding="utf-8")


def ended(main: Callable[[], None], *failures: type[Exception]) -> NoReturn:
    """Run a command and exit: 2 for what the user asked for in error, 1 for what the command is there to find.

    Parameters
    ----------
    main : callable
    failures : type of Exception
        Whose message is what was found.
    """
    try:
        main()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except failures as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(STOPPED)
    sys.exit(0)
