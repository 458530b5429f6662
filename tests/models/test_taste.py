"""What a user likes, by genre."""

from __future__ import annotations

import numpy as np
import pytest

from reelstream.models.model_set import ModelSet
from reelstream.models.taste import GenreTastes, Leaning
from reelstream.ratings.columns import EventColumns

pytestmark = pytest.mark.xdist_group("small set")


def tastes_of(model_set: ModelSet, ratings: dict[int, float]) -> tuple[dict[str, Leaning], Leaning]:
    history = EventColumns.of(
        [1] * len(ratings), list(ratings), list(ratings.values()), range(len(ratings))
    )
    tastes, state = GenreTastes(model_set), model_set.fold_in(history)
    leanings = dict(zip(tastes.genres, tastes.of(state, 1_000), strict=True))
    return leanings, tastes.generosity(state, 1_000)


def test_nobody_departs_from_nobody(small_model_set: ModelSet) -> None:
    """Without ratings a user is as any, and all is uncertain."""
    leanings, generosity = tastes_of(small_model_set, {})
    assert all(each.stars == pytest.approx(0, abs=1e-5) for each in leanings.values())
    assert all(each.sd > 0 for each in leanings.values())
    assert generosity.stars == pytest.approx(0, abs=1e-5) and generosity.sd > 0


def test_generous_users_are_told_from_strict_ones(small_model_set: ModelSet) -> None:
    """And the more is known of them, the surer that is."""
    known = small_model_set.rating.item_ids.tolist()
    _, generous = tastes_of(small_model_set, dict.fromkeys(known[:40], 5.0))
    _, strict = tastes_of(small_model_set, dict.fromkeys(known[:40], 1.0))
    assert generous.stars > 0.5 > -0.5 > strict.stars
    ordinary = {item_id: 3.0 + item_id % 3 / 2 for item_id in known}
    many, few = (tastes_of(small_model_set, dict([*ordinary.items()][:n]))[1] for n in (60, 2))
    assert many.sd < few.sd


def test_a_genre_that_is_rated_higher_is_liked_better(small_model_set: ModelSet) -> None:
    """Whoever gives one genre five stars and others one, likes it better than whoever does the
    opposite.
    """
    catalog, known = small_model_set.catalog, small_model_set.rating.item_ids.tolist()
    counts = {
        genre: sum(genre in catalog.get(item_id).genres for item_id in known)
        for genre in catalog.genres
    }
    genre = max(counts, key=lambda name: min(counts[name], len(known) - counts[name]))
    inside = {item_id for item_id in known if genre in catalog.get(item_id).genres}
    fan = {item_id: 5.0 if item_id in inside else 1.0 for item_id in known}
    other = {item_id: 6.0 - stars for item_id, stars in fan.items()}
    assert tastes_of(small_model_set, fan)[0][genre].stars > (
        tastes_of(small_model_set, other)[0][genre].stars
    )
    assert np.isfinite([each.sd for each in tastes_of(small_model_set, fan)[0].values()]).all()
