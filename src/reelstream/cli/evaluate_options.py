"""The options of `reelstream evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from reelstream.errors import SettingError


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitOptions:
    """Which ratings are fitted and which predicted."""

    split: Annotated[
        Literal["random", "time", "users"] | None,
        typer.Option(
            help="At random, the newest ratings as test, or (with --rank) some users."
            "  [default: random; with --rank time]"
        ),
    ] = None
    test_share: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="Share of the ratings, or users, that is the test."
            "  [default: 0.2; by time 0.333; users 0.1]",
        ),
    ] = None
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Of the random split, or of users.")
    ] = 42
    train: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ratings to fit on; films from its folder."),
    ] = None
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="Ratings to predict.")] = None
    times: Annotated[
        Literal["ignore", "use"] | None,
        typer.Option(
            help="Withhold times from fit and query, or not.  [default: ignore; by time use]"
        ),
    ] = None

    def check(self, data: Path | None) -> None:
        """Raises SettingError when options contradict each other, or `data` from `--data`."""
        if (self.train is None) != (self.test is None):
            raise SettingError("--train and --test go together: name both files")
        if self.test_share is not None and not 0 < self.test_share < 1:
            raise SettingError(f"--test-share {self.test_share:g} is not a share between 0 and 1")
        if self.train is not None and data is not None:
            raise SettingError("name either --data, or --train and --test")

    def check_for_ranking(self, *, ranks: bool) -> None:
        """Raises SettingError when options do not go with `--rank`, or need it."""
        if ranks and (self.split == "random" or self.train is not None or self.times is not None):
            raise SettingError(
                "--rank splits by time or by users, and by time it uses times: leave out --split"
                " random, --train, --test and --times"
            )
        if not ranks and self.split == "users":
            raise SettingError("--split users is for recommendations: add --rank")


@dataclass(frozen=True, kw_only=True, slots=True)
class FitOptions:
    """How the ratings are fitted; None: as a trainer does."""

    factors: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Factors of a user and a film.  [default: 23; 15 above 5 million ratings]",
        ),
    ] = None
    sweeps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            help="Sweeps of the sampler; above 5 million ratings half of them."
            "  [default: 160; 304 below 300,000 ratings]",
        ),
    ] = None
    burn_in: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Sweeps before the first draw that is kept; likewise.  [default: 64]",
        ),
    ] = None
    draws: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Draws that are kept.  [default: 8; 4 above 5 million ratings]",
        ),
    ] = None
