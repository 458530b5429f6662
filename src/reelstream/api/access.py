"""Who may do what: the rule that both entrances ask before anything else.

On this machine's own address anybody may read and write, as only its own programs reach it, and a
key allows what more it is for. On any other address every request needs a key.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from reelstream.api.limits import Quota, RateLimits
from reelstream.api.problems import ProblemError, refusal
from reelstream.contract import ProblemType
from reelstream.errors import SettingError
from reelstream.storage.api_keys import ApiKeys, Scope

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PORT = re.compile(r":\d+$")
_OPEN_SCOPES = frozenset({Scope.READ, Scope.WRITE})
_NO_SCOPES = frozenset[Scope]()
_SCHEME = "bearer "
# Requests a second of one key or address.
DEFAULT_RATE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a request says of where it comes from and goes to."""

    host: str
    """The Host header."""
    authorization: str | None
    address: str
    """The client's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request, as far as the server can tell."""

    key: str | None
    """The name of the key that came with it."""
    address: str
    scopes: frozenset[Scope]

    @property
    def name(self) -> str:
        """The key's name, or else the address."""
        return self.key or self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a server allows, by the address that it listens on."""

    keys: ApiKeys
    hosts: frozenset[str] | None
    """The only values of the Host header, without port; None: any.

    A web page can make a browser send requests to this machine, also under a name of its own that
    it lets point here. The browser then names that host.
    """
    is_open: bool
    """Whether reading and writing needs no key."""
    limits: RateLimits | None
    """None: as many requests as arrive."""

    @classmethod
    def on(
        cls, address: str, keys: ApiKeys, *, needs_key: bool = False, rate: int | None = None
    ) -> Access:
        """What is allowed on this address.

        Args:
            address: Where the server listens.
            keys: Those that it knows.
            needs_key: Whether a key is demanded on loopback too.
            rate: Requests a second of one key or address; None: any number on loopback, else
                DEFAULT_RATE.

        Raises SettingError where every request would need a key, and there is none.
        """
        if is_loopback(address) and not needs_key:
            limits = None if rate is None else RateLimits(rate)
            return cls(keys=keys, hosts=_LOCAL_NAMES | {address}, is_open=True, limits=limits)
        if not keys.all():
            raise SettingError(
                f"the API on {address} answers only who has a key, and there is none: make one "
                "with `reelstream keys create NAME`"
            )
        limits = RateLimits(rate or DEFAULT_RATE)
        return cls(keys=keys, hosts=None, is_open=False, limits=limits)

    def count(self, caller: str) -> Quota | None:
        """Count a request of a caller, where that is limited. Raises ProblemError: 429."""
        return None if self.limits is None else self.limits.count(caller)

    def admit(self, visit: Visit, scope: Scope) -> Caller:
        """Who sent the request, if it may do what needs `scope`.

        Raises ProblemError: 421 for a request to another host, 401 without a key where one is
        needed, 403 when the key is for something else.
        """
        caller = self.recognise(visit)
        if scope not in caller.scopes:
            raise _refusal(caller, scope)
        return caller

    def recognise(self, visit: Visit) -> Caller:
        """Who sent the request. Raises ProblemError: 421 for another host, 401 for a wrong key."""
        if self.hosts is not None and _PORT.sub("", visit.host).lower() not in self.hosts:
            detail = (
                f"this server is not {visit.host[:200]!r}: it answers on this machine's own names"
            )
            raise refusal(ProblemType.WRONG_HOST, detail)
        given = visit.authorization
        scopes = _OPEN_SCOPES if self.is_open else _NO_SCOPES
        if not given:
            return Caller(key=None, address=visit.address, scopes=scopes)
        # A wrong key is told even where none is needed: whoever sends one believes that it counts.
        key = self.keys.find(given[len(_SCHEME) :]) if given.lower().startswith(_SCHEME) else None
        if key is None:
            detail = (
                "the key is not known, or no longer: `reelstream keys list` names those there are"
            )
            raise refusal(ProblemType.UNKNOWN_KEY, detail)
        return Caller(key=key.name, address=visit.address, scopes=key.scopes | scopes)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what listens on this address or name."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def _refusal(caller: Caller, scope: Scope) -> ProblemError:
    if caller.key is None:
        return refusal(
            ProblemType.KEY_NEEDED,
            f"this needs a key that has the scope {scope}: send it as `Authorization: Bearer KEY`",
        )
    return refusal(ProblemType.KEY_LACKS_SCOPE, f"the key {caller.key!r} has no scope {scope}")
