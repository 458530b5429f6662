"""The stages of a run, kept alive until it may end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reelstream.cli.exit_codes import DONE, FAILED, INTERRUPTED
from reelstream.cli.factories import api_key, open_log
from reelstream.cli.stage import Stage
from reelstream.cli.supervisor import Supervisor
from reelstream.settings import Settings
from reelstream.storage.work_folder import Binding, WorkFolder

if TYPE_CHECKING:
    from reelstream.monitoring.status import PipelineStatus

# How often the stages and the status are looked at.
STATUS_SECONDS = 0.25
# Stages that serve metrics, each on the next port; the API has its own /metrics.
WITH_METRICS = ("produce", "batch", "train")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """The stages on one work folder."""

    settings: Settings
    """What the stages get: data set, log and ports are chosen."""
    folder: WorkFolder
    binding: Binding
    urls: Mapping[str, str]
    """What a person may open, "API" and perhaps "page" -> its address."""

    def stages(self) -> list[Stage]:
        """Every stage, not started, with an empty log."""
        names = ["produce", "batch", "train", "serve", *(["ui"] if "page" in self.urls else [])]
        self.folder.stage_logs.mkdir(exist_ok=True)
        return [self._stage(name) for name in names]

    def follow(
        self, until_set: int | None, stop: threading.Event, *, on_stderr: bool
    ) -> tuple[int, PipelineStatus | None]:
        """Keep the stages alive until the wanted set serves or cannot, or `stop` is set.

        Returns the exit code, and the last status.
        """
        stages, reports = self.stages(), list[str]()
        with Supervisor(stages, reports.append) as supervisor:
            supervisor.check()  # starts them all

            # What the status needs is imported while the stages start.
            from reelstream.cli.status_view import StatusView  # noqa: PLC0415
            from reelstream.monitoring.status import StatusReader  # noqa: PLC0415

            status = None
            with (
                open_log(self.binding, self.settings.kafka) as log,
                StatusReader(
                    self.folder,
                    log,
                    self.binding.topic,
                    self.urls["API"],
                    api_key(self.settings, self.folder),
                ) as reader,
                StatusView(stages, self.urls, on_stderr) as view,
            ):
                while not stop.wait(STATUS_SECONDS if status else 0):
                    supervisor.check()
                    while reports:
                        view.add_line(reports.pop(0))
                    status = reader.read()
                    view.show(status)
                    outcome, why = outcome_of(status, until_set, supervisor.is_done("produce"))
                    if outcome is not None:
                        view.add_line(why)
                        return outcome, status
        return (DONE if until_set is None else INTERRUPTED), status

    def _stage(self, name: str) -> Stage:
        log = self.folder.stage_logs / f"{name}.log"
        # Warnings of an earlier run must not be reported as those of this one.
        log.write_bytes(b"")
        # The settings are handed on in the environment; --work tells a person whose process it is.
        command = [sys.executable, "-m", "reelstream", name, "--work", str(self.folder.root)]
        return Stage(
            name,
            [*command, "--follow"] if name == "train" else command,
            log,
            environment=self._settings_of(name).environment(),
            ends=name == "produce",
            # The page can wait: nobody looks at it before there is a model set.
            niceness=10 if name == "ui" else 0,
        )

    def _settings_of(self, name: str) -> Settings:
        port = self.settings.metrics.port
        if not port or name not in WITH_METRICS:
            return self.settings
        return self.settings.replaced({"metrics.port": port + WITH_METRICS.index(name)})


def outcome_of(
    status: PipelineStatus, until_set: int | None, is_produced: bool
) -> tuple[int | None, str]:
    """The exit code with which a run may end and why; None while it may not.

    Without a set to wait for, a run ends only when every row was rejected.
    """
    is_over = is_produced and status.all_is_batched
    if is_over and status.rejection and not status.batch_rows:
        return FAILED, f"there is no rating to learn from: {status.rejection}"
    if until_set is None:
        return None, ""
    if status.serving is not None and status.serving >= until_set:
        return DONE, f"model set {status.serving} is in service"
    # A refused set will not serve: waiting for it would never end.
    reached = [release for release in status.releases if release.number >= until_set]
    if reached and not reached[0].may_serve:
        return FAILED, f"model set {reached[0].number} was refused: {reached[0].gate.reason}"
    why = "" if reached or not is_over else _why_no_set_follows(status)
    return (FAILED, f"{why}: there will be no model set {until_set}") if why else (None, "")


def _why_no_set_follows(status: PipelineStatus) -> str:
    """Why the batches, after which none follow, give no further set; empty while one may come."""
    if not status.is_learnable:
        return f"the data ended with {status.batch_rows} ratings, too few to learn from"
    return (
        f"the data ended with batch {status.manifests[-1].number}" if status.all_is_trained else ""
    )
