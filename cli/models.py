"""What commands that read a trained network have in common: options that choose what of it runs on the core."""

from __future__ import annotations

from typing import Annotated

import typer

Layer = Annotated[str | None, typer.Option(help="Of several recurrent layers, the only one for the core.")]
Head = Annotated[bool, typer.Option("--head", help="Dense layers behind the recurrent ones run on the core too.")]
