"""Who may do what: nobody but this machine writes, and no web page in its name."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from reelstream.api.problems import ProblemError, make_problem

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PORT = re.compile(r":\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a server allows, by the address that it listens on."""

    hosts: frozenset[str] | None
    """The only values of the Host header, without port; None: any.

    A web page can make a browser send requests to this machine, also under a name of its own that
    it lets point here. The browser then names that host.
    """
    writes: bool
    """Whether anybody who reaches the server may write."""

    @classmethod
    def on(cls, address: str) -> Self:
        """What is allowed on this address: on loopback reading and writing, elsewhere reading."""
        if is_loopback(address):
            return cls(hosts=_LOCAL_NAMES | {address}, writes=True)
        return cls(hosts=None, writes=False)

    def admits(self, host: str) -> bool:
        """Whether a request with this Host header is meant for this server."""
        return self.hosts is None or _PORT.sub("", host).lower() in self.hosts

    def check(self, host: str, *, writes: bool) -> None:
        """Raises ProblemError: 421 for a request to another host, 403 for a write that is not
        allowed.
        """
        if not self.admits(host):
            detail = f"this server is not {host[:200]!r}: it answers on this machine's own names"
            raise ProblemError(make_problem(421, detail))
        if writes and not self.writes:
            detail = "this server writes for its own machine only, and it listens for others too"
            raise ProblemError(make_problem(403, detail))


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what listens on this address or name."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"
