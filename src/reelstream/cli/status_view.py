"""What a run prints: one live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reelstream.cli.stage import Stage, StageState
from reelstream.monitoring.status import PipelineStatus
from reelstream.storage.release import Release

_COLOURS = {StageState.RUNNING: "green", StageState.WAITING: "yellow", StageState.DONE: "cyan"}


class StatusView:
    """Shows the newest status, and sentences above it; used in `with`."""

    def __init__(
        self, stages: Sequence[Stage], urls: Mapping[str, str], on_stderr: bool = False
    ) -> None:
        """Prepare the view.

        Args:
            stages: The stages to show.
            urls: What a person may open -> its address.
            on_stderr: Leave stdout to the command's JSON.
        """
        self._stages, self._urls = stages, urls
        self._console = Console(stderr=on_stderr)
        self._live = (
            # Drawn when there is something new: no second thread writes to the terminal.
            Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        )
        self._shown = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        else:
            for name, url in self._urls.items():
                self.add_line(f"{name}: {url}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def add_line(self, sentence: str) -> None:
        """Print a sentence above the status."""
        if self._live is not None:
            # Sentences hold paths and messages: brackets in them are no markup.
            self._console.print(sentence, markup=False, highlight=False)
        else:
            # Not through rich, which breaks lines at 80 characters where there is no terminal.
            print(sentence, file=self._console.file, flush=True)

    def show(self, status: PipelineStatus) -> None:
        """Show a status; as a plain line only when something changed."""
        if self._live is not None:
            self._live.update(self._picture(status), refresh=True)
            return
        line = summary(status)
        if line != self._shown:
            self._shown = line
            self.add_line(line)

    def _picture(self, status: PipelineStatus) -> RenderableType:
        stages = Text("  ").join(
            Text.assemble(
                ("● ", _COLOURS[stage.state]),
                stage.name,
                (f" restarted {stage.restarts}×" if stage.restarts else "", "yellow"),
            )
            for stage in self._stages
        )
        facts = Table.grid(padding=(0, 2))
        facts.add_row("log", f"{status.log_rows:,} messages")
        facts.add_row("batches", f"{len(status.manifests)} with {status.batch_rows:,} ratings")
        if status.rejection:
            facts.add_row("rejected", Text(status.rejection, style="yellow"))
        facts.add_row(
            "in service", "nothing yet" if status.serving is None else f"model set {status.serving}"
        )
        for name, url in self._urls.items():
            facts.add_row(name, Text(url, style=f"link {url}"))
        return (
            Group(stages, facts, _sets_table(status)) if status.releases else Group(stages, facts)
        )


def summary(status: PipelineStatus) -> str:
    """The status in one line."""
    parts = [
        f"log {status.log_rows:,} messages",
        f"batches {len(status.manifests)} with {status.batch_rows:,} ratings",
        *([status.rejection] if status.rejection else []),
        "nothing in service yet"
        if status.serving is None
        else f"model set {status.serving} in service",
    ]
    if status.releases:
        newest = status.releases[-1]
        parts.append(f"newest set {newest.number}: {_verdict(newest)}")
    return ", ".join(parts)


def _sets_table(status: PipelineStatus) -> Table:
    table = Table("set", "RMSE", "AUC", "log loss", "gate", header_style="bold")
    for release in status.releases[-5:]:
        scores = release.holdout
        marker = " ◀" if release.number == status.serving else ""
        table.add_row(
            f"{release.number}{marker}",
            *map(_score, (scores.rmse, scores.auc, scores.log_loss)),
            release.gate.verdict,
        )
    return table


def _verdict(release: Release) -> str:
    scores = release.holdout
    return f"{release.gate.verdict}, RMSE {_score(scores.rmse)}, AUC {_score(scores.auc)}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
