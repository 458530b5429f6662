"""The parts of a server that the resources answer from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reelstream.api.access import Access
from reelstream.api.idempotency import Idempotency
from reelstream.catalog import Catalog
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.scale import RatingScale
from reelstream.serving.kept_sets import KeptSets
from reelstream.serving.live_updates import LiveUpdates
from reelstream.serving.log_writer import LogWriter
from reelstream.serving.predictor import Predictor
from reelstream.storage.audit_log import AuditLog
from reelstream.storage.model_sets import ModelSetStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """The parts of a server, assembled by whoever starts it."""

    predictor: Predictor
    live_updates: LiveUpdates
    writer: LogWriter
    model_sets: ModelSetStore
    catalog: Catalog
    scale: RatingScale
    access: Access
    audit_log: AuditLog
    ids: Ids = NUMBERS
    kept_sets: KeptSets = field(default_factory=KeptSets)
    idempotency: Idempotency = field(default_factory=Idempotency)

    def as_of(self, number: int) -> Service:
        """The same with another model set in service. Raises SettingError, DamagedError."""
        serving = self.kept_sets.of(number, self.predictor, self.model_sets, self.catalog)
        return replace(self, predictor=self.predictor.as_of(serving))

    def title(self, item_id: int) -> str | None:
        """A film's title; None for one outside the catalogue."""
        film = self.catalog.get(item_id)
        return film.title or None if film is not None else None

    def popularity(self) -> Mapping[int, int]:
        """Film -> how many ratings the set in service has learned; empty without a set."""
        serving = self.predictor.in_service
        return {} if serving is None else serving.popularity
