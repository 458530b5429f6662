"""Serves a stage's metrics to Prometheus while the stage works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import start_http_server

from reelstream.cli.preflight import free_port
from reelstream.settings import MetricsSettings


@contextmanager
def metrics_served(settings: MetricsSettings) -> Iterator[None]:
    """Serve what the stage's modules have registered, if a port is set.

    Raises SettingError when the port is taken.
    """
    if settings.port is None:
        yield
        return
    port = free_port(settings.host, settings.port, "--metrics-port")
    server, thread = start_http_server(port, settings.host)
    structlog.get_logger().info("metrics_served", host=settings.host, port=port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
