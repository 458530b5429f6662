"""What happens on the stream, over HTTP."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from reelstream.client import Client
from reelstream.ratings.events import Deleted, Erased, Rated
from reelstream.serving.live_histories import LogEvent
from reelstream.serving.predictor import MAX_WAITING

pytestmark = pytest.mark.xdist_group("events")


def take(api: SimpleNamespace, *events: Any) -> None:
    offset = len(api.predictor.histories.of_user(1)) + 1_000
    api.predictor.take([LogEvent(event, 0, offset + n) for n, event in enumerate(events)])
    api.predictor.learn()


def newest(api: SimpleNamespace, **params: Any) -> Any:
    return api.client.get("/v1/events", query_string=params).json


def test_ratings_are_shown_with_what_was_expected(api: SimpleNamespace) -> None:
    """The mean of the user's ratings before this one, for the fake set; unknown films have none."""
    start = newest(api)["next"]
    take(api, Rated(1, 1, 5.0, 300), Rated(1, 999, 2.0, 301))
    take(api, Deleted(1, 7, 302))
    rated, unknown, deleted = newest(api, after=start)["items"]
    assert (rated["kind"], rated["userId"], rated["movieId"]) == ("rating", 1, 1)
    assert (rated["title"], rated["rating"], rated["timestamp"]) == ("Toy Story", 5.0, 300)
    assert (rated["predicted"], rated["sd"]) == (3.0, 0.5)
    assert (unknown["title"], unknown["predicted"]) == (None, None)
    assert (deleted["kind"], deleted["movieId"], deleted["rating"]) == ("deletion", 7, None)
    take(api, Erased(1, 400))
    assert [each["kind"] for each in newest(api, after=start)["items"]] == ["erasure"]


def test_a_flood_is_shown_as_a_number(api: SimpleNamespace) -> None:
    """A thousand ratings at once are not for reading."""
    take(api, *(Rated(5, item_id, 4.0, 300) for item_id in range(MAX_WAITING + 1)))
    item = newest(api, limit=1)["items"][0]
    assert (item["kind"], item["ratings"]) == ("ratings", MAX_WAITING + 1)


def test_sets_and_swaps_are_shown(api: SimpleNamespace) -> None:
    """What the gate said, and when a set goes into service; failures too."""
    api.updates.start()
    try:
        start = newest(api)["next"]
        api.registry.add(3, verdict="refused", current=False)
        found: list[str] = []
        while "refused" not in found:
            found = [each["kind"] for each in newest(api, after=start)["items"]]
        api.registry.add(4)
        while "swap" not in found:
            page = newest(api, after=start)
            found = [each["kind"] for each in page["items"]]
        assert [each["number"] for each in page["items"]] == [3, 4, 4]
        assert found == ["refused", "set", "swap"] and not page["missed"]
    finally:
        api.updates.close()


def test_the_client_follows(api: SimpleNamespace) -> None:
    """From its last cursor on."""
    typed = Client("http://localhost", transport=httpx.WSGITransport(app=api.app))
    start = typed.events().next
    take(api, Rated(1, 1, 5.0, 300))
    (event,) = typed.events(start, limit=5).items
    assert (event.item_id, event.rating) == (1, 5.0)
    assert typed.events(event.cursor).items == []
    assert api.client.get("/v1/events?after=-1").status_code == 422
