"""Model sets besides the one in service, for answers as of one of them."""

from __future__ import annotations

import threading
from collections import OrderedDict

from reelstream.catalog import Catalog
from reelstream.serving.live_items import LiveItems
from reelstream.serving.predictor import Predictor, Serving
from reelstream.serving.user_states import UserStates
from reelstream.storage.model_sets import ModelSetStore

# Sets in memory besides the one in service; the one used least recently goes first.
MAX_LOADED = 2
# Memory for users' states of each.
STATE_BYTES = 32 * 1024**2


class KeptSets:
    """Loads sets that are kept on disk, when somebody wants an answer of theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: OrderedDict[int, Serving] = OrderedDict()

    def of(
        self, number: int, predictor: Predictor, model_sets: ModelSetStore, catalog: Catalog
    ) -> Serving:
        """A set with every rating of its users up to now; films have learned those up to when it
        was loaded here.

        Raises SettingError for a set that is not kept, DamagedError.
        """
        current = predictor.in_service
        if current is not None and current.release.number == number:
            return current
        release = model_sets.unpruned_release(number)
        with self._lock:
            serving = self._loaded.get(number)
            if serving is None:
                model_set = model_sets.load(number, catalog)
                items = LiveItems(model_set)
                items.catch_up(predictor.histories, release.trained_end_offsets)
                serving = Serving(
                    release=release,
                    model_set=model_set,
                    histories=predictor.histories,
                    states=UserStates(model_set, predictor.histories, STATE_BYTES),
                    items=items,
                )
                self._loaded[number] = serving
            self._loaded.move_to_end(number)
            if len(self._loaded) > MAX_LOADED:
                self._loaded.popitem(last=False)
        return serving
