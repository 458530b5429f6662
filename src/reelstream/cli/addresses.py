"""Where API and page can be opened."""

from __future__ import annotations

import sys

import typer

from reelstream.cli.output import print_json


def url(host: str, port: int) -> str:
    """Where a person on this machine reaches what listens on `host:port`."""
    # These stand for all addresses, and not every browser opens them.
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"


def announce(name: str, host: str, port: int, *, as_json: bool) -> None:
    """Print where something can be opened."""
    if as_json:
        print_json({"url": url(host, port)})
    else:
        typer.echo(f"{name}: {url(host, port)}")
    # The process goes on or becomes another: a pipe would show the address too late or never.
    sys.stdout.flush()
