"""Before the first set, the server compiles with a miniature what answers from a real set need."""

from __future__ import annotations

from fitted_set import Fitted

from reelstream.models.miniature import miniature_set
from reelstream.models.user_posterior import filter_ratings


def test_a_fitted_set_needs_nothing_compiled_that_the_miniature_did_not(fitted: Fitted) -> None:
    miniature_set().prepare()
    compiled = set(filter_ratings.signatures)
    fitted.model_set.prepare()
    assert set(filter_ratings.signatures) == compiled
