"""Follows the films: what is written into the work folder is answered from then on."""

from __future__ import annotations

from typing import ClassVar

import structlog

from reelstream.catalog import Catalog
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.serving.activity import Activity
from reelstream.serving.follower import Follower
from reelstream.storage.id_names import learn_films

# Films change by hand, seldom.
_FILM_SECONDS = 1.0

log = structlog.get_logger()


class FilmFollower(Follower):
    """Refreshes the catalogue that the server and its model sets answer from."""

    name: ClassVar[str] = "films"
    pause_seconds: ClassVar[float] = _FILM_SECONDS

    def __init__(self, catalog: Catalog, activity: Activity, ids: Ids = NUMBERS) -> None:
        super().__init__(activity)
        self._catalog, self._ids = catalog, ids
        learn_films(ids, catalog)

    def follow(self) -> None:
        """Take over the films if they have changed. Raises StorageError, DamagedError."""
        if self._catalog.refresh():
            learn_films(self._ids, self._catalog)
            log.info("films_updated", films=len(self._catalog))
