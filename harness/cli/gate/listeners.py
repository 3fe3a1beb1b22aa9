"""The options of ``gate`` and ``gate votes`` about listeners of a blind page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...gates.schema import GateReport

Page = Annotated[Path | None, typer.Option("--page", help="The listening page that was voted on.")]
Accepted = Annotated[
    float, typer.Option("--accept", help="Share of texts with the baseline preferred that is still accepted.")
]


@dataclass(kw_only=True)
class Listeners:
    """What people who heard a blind page said."""

    vote: Annotated[
        list[Path] | None, typer.Option("--vote", help="Votes that a page of `gate listen` saved; may repeat.")
    ] = None
    page: Page = None
    accept: Accepted = 0.65
    require_votes: Annotated[bool, typer.Option("--require-votes", help="Without votes that pass, nothing passes.")] = (
        False
    )

    def join(self, baseline: str | None, candidate: str | None, alpha: float) -> Callable[[GateReport], GateReport]:
        """Reads and checks the votes at once; what it returns joins them to a report.

        Raises:
            UsageError: For votes without their page, or of other audio.
        """
        if not (self.vote or self.page or self.require_votes):
            return lambda report: report
        from ...gates.votes import Listeners as Said
        from ...gates.votes import joined_votes

        said = Said(self.vote or (), self.page, self.require_votes, self.accept)
        return joined_votes(said, baseline, candidate, alpha)
