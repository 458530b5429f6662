"""Logs: an event name and keys, for a person on stderr or as JSON lines for a machine. Only `cli`
configures them.
"""

from __future__ import annotations

import logging
import sys

import structlog

# `json` asks for one JSON object a line.
LOG_FORMAT_VARIABLE = "REELSTREAM_LOG_FORMAT"


def configure_logs(log_format: str | None = None, level: int = logging.INFO) -> None:
    """Send every event of at least `level` to stderr, as JSON lines when `log_format` is `json`."""
    as_json = log_format == "json"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
            *_rendering(as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _rendering(as_json: bool) -> list[structlog.typing.Processor]:
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    colors = sys.stderr.isatty()
    # A plain traceback: rich's prints local variables, and with them secrets of Kafka's client.
    return [
        structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    ]
