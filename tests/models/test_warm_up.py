"""Before the first set, the server compiles with a small set what answers from a real set need."""

from __future__ import annotations

from pathlib import Path

from fitted_set import Fitted

from reelstream.models.rating.model import RatingModel
from reelstream.models.rating.online_items import predict_items
from reelstream.models.rating.user_filter import filter_events
from reelstream.models.warm_up import warm_up_set
from reelstream.storage.snapshot import read_snapshot, write_snapshot


def test_no_question_waits_for_a_compiler(fitted: Fitted, tmp_path: Path) -> None:
    """Neither a set just fitted nor one read from disk, nor a history read from disk, brings
    another type of array.
    """
    warm_up_set().prepare()
    compiled = set(filter_events.signatures), set(predict_items.signatures)
    write_snapshot(fitted.history, tmp_path)
    fitted.model_set.rating.save(tmp_path)
    history = read_snapshot(tmp_path)
    loaded = RatingModel.load(tmp_path)
    for model_set in (fitted.model_set, fitted.with_rating(loaded)):
        model_set.prepare()
        state = model_set.fold_in(history.of_user(int(history.user_ids[0])))
        model_set.predict(state, loaded.item_ids[:3], 2_000_000_000)
    assert (set(filter_events.signatures), set(predict_items.signatures)) == compiled
