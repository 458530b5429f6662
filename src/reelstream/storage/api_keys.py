"""The API's keys: a file for each in the work folder, which holds what recognises the key and not
the key itself.

    keys/page.json      name, scopes, and the SHA-256 of the key
    keys/used/page      touched when the key is used
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from reelstream.errors import AlreadyPublishedError, SettingError, StorageError
from reelstream.files import (
    TEMPORARY_PREFIX,
    encode_json,
    publish_bytes,
    read_json,
    sync_folder,
    translate_errors,
)
from reelstream.storage.folder_view import FolderView

# A key is `rs_NAME_SECRET`: programs that search files for secrets know it by its beginning.
_KEY = re.compile(r"rs_([a-z0-9][a-z0-9-]{0,39})_([\w-]{43})", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
# A slow hash protects what people choose; so many random bytes nobody finds by trying.
_SECRET_BYTES = 32
# How exactly the last use is known: touching a file at every request would cost more than this.
USE_SECONDS = 60.0


class Scope(StrEnum):
    """What a route of the API does, and a key allows; none of them includes another."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key."""

    format: Literal[1] = 1
    name: str
    scopes: frozenset[Scope]
    sha256: str
    created_at: float
    """Seconds since 1970, UTC."""


class ApiKeys:
    """The keys in a folder; several processes may use it at once, from any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._view = FolderView(folder, self._read)
        # When the use of a key was last noted.
        self._used: dict[str, float] = {}

    def create(self, name: str, scopes: Iterable[Scope]) -> str:
        """Make a key and return it: it is written down nowhere.

        Raises SettingError when the name cannot be one or is taken.
        """
        if not _NAME.fullmatch(name):
            raise SettingError(
                f"{name!r} cannot name a key: take up to 40 small letters, digits and hyphens"
            )
        key = f"rs_{name}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        kept = ApiKey(
            name=name, scopes=frozenset(scopes), sha256=_hash(key), created_at=time.time()
        )
        with translate_errors(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            publish_bytes(self._path(name), encode_json(kept))
        except AlreadyPublishedError as error:
            raise SettingError(
                f"there is a key {name!r} already: revoke it, or take another name"
            ) from error
        return key

    def revoke(self, name: str) -> bool:
        """Remove a key, so that the next request with it is refused; False when there is none."""
        # Before the key: a key of the same name that is made next was never used.
        if not _NAME.fullmatch(name):
            return False
        self._use_path(name).unlink(missing_ok=True)
        with translate_errors(self.folder):
            try:
                self._path(name).unlink()
            except FileNotFoundError:
                return False
            sync_folder(self.folder)
        return True

    def all(self) -> list[ApiKey]:
        """Every key, by name."""
        return [key for _, key in sorted(self._read().items())]

    def find(self, key: str) -> ApiKey | None:
        """What is kept of this key; None when it is none, or no longer."""
        parts = _KEY.fullmatch(key)
        kept = None if parts is None else self._current().get(parts[1])
        if kept is None or not hmac.compare_digest(kept.sha256, _hash(key)):
            return None
        self._note_use(kept.name)
        return kept

    def last_use(self, name: str) -> float | None:
        """When a key was last used, in seconds since 1970, to `USE_SECONDS`; None: never."""
        try:
            return self._use_path(name).stat().st_mtime
        except FileNotFoundError:
            return None

    def _current(self) -> Mapping[str, ApiKey]:
        """The keys as they are now, read again when one came or went."""
        try:
            return self._view.content()
        except FileNotFoundError:
            return {}

    def _read(self) -> dict[str, ApiKey]:
        found = {}
        for path in self.folder.glob("*.json"):
            if path.name.startswith(TEMPORARY_PREFIX):
                continue
            # A damaged file allows nobody anything; `reelstream keys list` leaves it out too.
            with suppress(StorageError):
                found[path.stem] = read_json(path, ApiKey)
        return found

    def _note_use(self, name: str) -> None:
        now = time.time()
        if now - self._used.get(name, 0.0) < USE_SECONDS:
            return
        self._used[name] = now
        path = self._use_path(name)
        # A full or read-only disk refuses nobody.
        with suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            path.touch()
            os.utime(path)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _use_path(self, name: str) -> Path:
        return self.folder / "used" / name


def _hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()
