"""Answers of a set that is not in service, and the choice of the one that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from reelstream.client import ApiError, Client
from reelstream.storage.api_keys import ApiKeys, Scope


@pytest.fixture
def admin(api: SimpleNamespace, tmp_path: Path) -> Iterator[Client]:
    """Somebody with a key for everything, of a server that follows the sets."""
    key = ApiKeys(tmp_path / "keys").create("admin", [Scope.ADMIN])
    api.updates.start()
    yield Client("http://localhost", transport=httpx.WSGITransport(app=api.app), api_key=key)
    api.updates.close()


def test_answers_as_of_another_set(api: SimpleNamespace) -> None:
    """With the user's ratings of now, whatever a POST or GET asks; the next answer is again of the
    set in service.
    """
    one = {"userId": 1, "movieId": 31}
    for number, sd in ((1, 1.0), (2, 0.5)):
        path = f"/predict_regression?model_set={number}"
        got = api.client.get(f"{path}&userId=1&movieId=31").json
        assert (got["model_set"], got["sd"], got["basis"]["ratings"]) == (number, sd, 2)
        assert api.client.post(path, json=one).json == got
        (listed,) = api.client.post(path, json=[one]).json
        assert listed == got
    assert api.client.get("/v1/segments?model_set=1").json["model_set"] == 1
    assert api.client.get("/predict_clustering?userId=1").json["model_set"] == 2
    assert api.predictor.number == 2


def test_a_set_that_is_not_kept_is_a_404(api: SimpleNamespace) -> None:
    """And what is answered from no set takes no number."""
    answer = api.client.get("/predict_clustering?userId=1&model_set=9")
    assert answer.status_code == 404 and "no model set 9" in answer.json["detail"]
    assert api.client.get("/predict_clustering?userId=1&model_set=0").status_code == 422
    assert api.client.get("/v1/status?model_set=1").status_code == 422


def test_an_admin_chooses_the_set(api: SimpleNamespace, admin: Client) -> None:
    """Until further notice: a newer one does not replace it."""
    chosen = admin.activate(1)
    assert (chosen.current, chosen.pinned) == (1, 1)
    while admin.predict_clustering(1).model_set != 1:
        pass
    api.registry.add(3, current=False)
    assert admin.status().model_set.number == 1
    latest = admin.activate(None)
    assert (latest.current, latest.pinned) == (3, None)
    while admin.predict_clustering(1).model_set != 3:
        pass
    assert admin.as_of(1).predict_clustering(1).model_set == 1


def test_only_what_is_there_can_be_chosen(api: SimpleNamespace, admin: Client) -> None:
    """404 for another; without a key nobody chooses."""
    with pytest.raises(ApiError, match="no model set 9") as caught:
        admin.activate(9)
    assert caught.value.status == 404
    assert api.client.post("/v1/models/1/activate").status_code == 401
    assert api.client.post("/v1/models/latest/activate").status_code == 401
    assert api.registry.current().number == 2
