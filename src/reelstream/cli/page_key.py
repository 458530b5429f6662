"""The key that `reelstream run` makes for its own page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reelstream.api.access import is_loopback
from reelstream.files import replace_file
from reelstream.settings import UiSettings
from reelstream.storage.api_keys import ApiKeys, Scope
from reelstream.storage.work_folder import WorkFolder

_NAME = "page"


@contextmanager
def page_key(folder: WorkFolder, ui: UiSettings) -> Iterator[None]:
    """Inside, the work folder's `page.key` holds a key with all scopes for the page.

    A page that listens for others asks nobody who they are: its key reads only.
    """
    keys = ApiKeys(folder.keys)
    # Of a run that was killed.
    keys.revoke(_NAME)
    key = keys.create(_NAME, Scope if is_loopback(ui.host) else [Scope.READ])
    replace_file(folder.page_key, key.encode(), is_secret=True)
    try:
        yield
    finally:
        keys.revoke(_NAME)
        folder.page_key.unlink(missing_ok=True)
