"""Keys and scopes: who may do what, on every route and both ways in."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from test_entrance import send

from reelstream.api.access import Access
from reelstream.api.app import create_app, create_entrance
from reelstream.api.guard import check_scopes
from reelstream.errors import SettingError
from reelstream.storage.api_keys import ApiKeys, Scope

SCOPES = [*Scope, None]
"""One key for each scope, and no key."""


def bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


@pytest.fixture
def keys(tmp_path: Path) -> ApiKeys:
    return ApiKeys(tmp_path / "keys")


@pytest.fixture
def key_of(keys: ApiKeys) -> dict[Scope | None, str | None]:
    return {None: None} | {scope: keys.create(scope, [scope]) for scope in Scope}


@pytest.fixture
def elsewhere(api: SimpleNamespace, keys: ApiKeys, key_of: object) -> Flask:
    """The same API on an address that other machines reach."""
    return create_app(replace(api.service, access=Access.on("0.0.0.0", keys)))


def routes(app: Flask) -> list[tuple[str, str]]:
    """Every method and path, fields of the path filled in."""
    return [
        (method, re.sub("<[^>]*>", "1", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]


def wanted(app: Flask, method: str, path: str) -> Scope:
    """The scope of a route, as this test has it, apart from where it is declared."""
    if "activate" in path or (method, path) == ("DELETE", "/v1/users/1"):
        return Scope.ADMIN
    written = path.startswith("/v1/ratings") or method in ("PUT", "DELETE")
    return Scope.WRITE if written else Scope.READ


@pytest.mark.parametrize("scope", SCOPES)
def test_every_route_needs_its_scope(
    elsewhere: Flask, key_of: dict[Scope | None, str | None], scope: Scope | None
) -> None:
    """Away from this machine: 401 without a key, 403 with one for something else, and an answer,
    good or bad, with the right one.
    """
    client = elsewhere.test_client()
    assert len(routes(elsewhere)) > 40
    for method, path in routes(elsewhere):
        needs = wanted(elsewhere, method, path)
        answer = client.open(path, method=method, headers=bearer(key_of[scope]))
        if scope is None:
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        else:
            assert (answer.status_code == 403) == (scope is not needs), (method, path)
            assert answer.status_code != 401, (method, path)


def test_on_this_machine_only_admin_needs_a_key(
    api: SimpleNamespace, keys: ApiKeys, key_of: dict[Scope | None, str | None]
) -> None:
    """Reading and writing is open; a server can be told to demand keys all the same."""
    for method, path in routes(api.app):
        needs = wanted(api.app, method, path)
        answer = api.client.open(path, method=method)
        assert (answer.status_code == 401) == (needs is Scope.ADMIN), (method, path)
    access = Access.on("127.0.0.1", keys, needs_key=True)
    strict = create_app(replace(api.service, access=access)).test_client()
    assert strict.get("/v1/items").status_code == 401
    assert strict.get("/v1/items", headers=bearer(key_of[Scope.READ])).status_code == 200


def test_a_route_without_a_scope_is_refused_at_the_start() -> None:
    """By name."""
    app = Flask("forgetful")
    app.add_url_rule("/v1/secrets", "secrets", lambda: "")
    with pytest.raises(RuntimeError, match="/v1/secrets"):
        check_scopes(app, {"static": Scope.READ})


def test_a_server_for_others_refuses_to_start_without_a_key(keys: ApiKeys) -> None:
    """It says how to make one; on loopback it starts."""
    for address in ("0.0.0.0", "192.0.2.1", "films.example"):
        with pytest.raises(SettingError, match="keys create"):
            Access.on(address, keys)
    assert Access.on("127.0.0.1", keys).is_open
    keys.create("first", [Scope.READ])
    assert not Access.on("0.0.0.0", keys).is_open


@pytest.mark.parametrize(
    "authorization",
    ["Bearer ", "Bearer x", "Basic dTpw", "rs_read_x", "Bearer rs_read_" + "A" * 43, "Bearer \xe9"],
)
def test_a_wrong_key_is_refused_even_where_none_is_needed(
    client: FlaskClient, key_of: object, authorization: str
) -> None:
    """401: whoever sends a key believes that it counts."""
    answer = client.get("/v1/items", headers={"Authorization": authorization})
    assert answer.status_code == 401


def test_a_revoked_key_is_refused_from_the_next_request_on(
    elsewhere: Flask, keys: ApiKeys, key_of: dict[Scope | None, str | None]
) -> None:
    """And a new key counts at once, without a restart."""
    client, headers = elsewhere.test_client(), bearer(key_of[Scope.READ])
    assert client.get("/v1/items", headers=headers).status_code == 200
    assert keys.revoke("read") and not keys.revoke("read")
    assert client.get("/v1/items", headers=headers).status_code == 401
    again = bearer(keys.create("read", [Scope.READ]))
    assert client.get("/v1/items", headers=again).status_code == 200
    assert client.get("/v1/items", headers=headers).status_code == 401


def test_the_quick_way_in_demands_the_same_key(
    elsewhere: Flask, key_of: dict[Scope | None, str | None]
) -> None:
    """Also when the user's state is ready."""
    entrance = create_entrance(elsewhere)
    body = json.dumps({"userId": 1, "movieId": 31}).encode()
    statuses = {
        scope: {
            asyncio.run(
                send(entrance, "POST", "/predict_regression", [body], bearer(key_of[scope]))
            ).status
            for _ in range(3)
        }
        for scope in SCOPES
    }
    entrance.close()
    assert statuses == {Scope.READ: {200}, Scope.WRITE: {403}, Scope.ADMIN: {403}, None: {401}}


def test_what_lies_on_the_disk_is_no_key(tmp_path: Path, keys: ApiKeys) -> None:
    """Not even its beginning; and the last use is told."""
    key = keys.create("page", Scope)
    kept = (tmp_path / "keys" / "page.json").read_text()
    assert key[8:] not in kept and key[-43:] not in kept
    assert keys.last_use("page") is None
    found = keys.find(key)
    assert found is not None and found.scopes == set(Scope)
    assert keys.last_use("page") is not None
    assert keys.find(key[:-1] + ("A" if key[-1] != "A" else "B")) is None


@pytest.mark.parametrize("name", ["", "../page", "Page", "a b", "-a", "a" * 41, "page.json"])
def test_what_cannot_name_a_key(keys: ApiKeys, name: str) -> None:
    """Nothing outside the folder is ever touched."""
    with pytest.raises(SettingError, match="cannot name a key"):
        keys.create(name, Scope)
    assert not keys.revoke(name)


def test_a_name_is_taken_until_it_is_revoked(keys: ApiKeys) -> None:
    """Two keys of one name could not be told apart."""
    keys.create("page", Scope)
    with pytest.raises(SettingError, match="already"):
        keys.create("page", Scope)
    keys.revoke("page")
    keys.create("page", [Scope.READ])
    assert [(key.name, key.scopes) for key in keys.all()] == [("page", {Scope.READ})]


def limited(api: SimpleNamespace, keys: ApiKeys, rate: int) -> Flask:
    """The API on this machine, with a limit of requests a second."""
    return create_app(replace(api.service, access=Access.on("127.0.0.1", keys, rate=rate)))


def test_who_asks_too_often_is_told_when_to_ask_again(
    api: SimpleNamespace, keys: ApiKeys, key_of: dict[Scope | None, str | None]
) -> None:
    """Each answer says what is left; others are answered meanwhile. Unlimited by default."""
    client = limited(api, keys, 3).test_client()
    answers = [client.get("/v1/items") for _ in range(20)]
    assert answers[0].headers["X-RateLimit-Limit"] == "3"
    assert answers[0].headers["X-RateLimit-Remaining"] == "2"
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert refused[0].json["status"] == 429
    assert client.get("/v1/items", headers=bearer(key_of[Scope.READ])).status_code == 200
    assert {api.client.get("/v1/items").status_code for _ in range(150)} == {200}
    assert "X-RateLimit-Limit" not in api.client.get("/v1/items").headers


def test_elsewhere_there_is_a_limit_and_guessing_keys_counts(
    api: SimpleNamespace, elsewhere: Flask, keys: ApiKeys
) -> None:
    """From one address, whatever keys are tried."""
    answer = elsewhere.test_client().get("/v1/items", headers=bearer("rs_read_x"))
    assert answer.status_code == 401
    access = Access.on("0.0.0.0", keys, rate=2)
    client = create_app(replace(api.service, access=access)).test_client()
    statuses = [
        client.get("/v1/items", headers=bearer(f"rs_read_{n:043}")).status_code for n in range(30)
    ]
    assert set(statuses) == {401, 429}


def test_the_quick_way_in_counts_with_the_other(api: SimpleNamespace, keys: ApiKeys) -> None:
    """One limit for both."""
    entrance = create_entrance(limited(api, keys, 1_000))
    body = json.dumps({"userId": 1, "movieId": 31}).encode()
    answers = [asyncio.run(send(entrance, "POST", "/predict_regression", [body])) for _ in range(3)]
    entrance.close()
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["999", "998", "997"]


def audited(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]


def test_what_was_written_is_in_the_audit_log(
    api: SimpleNamespace, tmp_path: Path, key_of: dict[Scope | None, str | None]
) -> None:
    """Who, what and where in the log, in order; no user, no film; nothing of what only reads or was
    refused.
    """
    rating = {"userId": 4711, "movieId": 31, "rating": 4}
    written = api.client.post("/v1/ratings", json=rating, headers=bearer(key_of[Scope.WRITE]))
    api.client.delete("/v1/users/4711/ratings/31")
    api.client.post("/v1/ratings", json=rating | {"rating": 99})
    api.client.post("/predict_regression", json={"userId": 1, "movieId": 31})
    first, second = audited(tmp_path)
    assert (first["who"], first["action"]) == ("write", "POST /v1/ratings")
    assert (first["status"], first["answer"]) == (202, written.json)
    assert (second["who"], second["address"]) == ("127.0.0.1", "127.0.0.1")
    assert second["action"] == "DELETE /v1/users/{userId}/ratings/{movieId}"
    assert "4711" not in (tmp_path / "audit.jsonl").read_text().replace(str(first["at"]), "")


def test_a_disk_that_takes_no_audit_log_hides_no_write(
    api: SimpleNamespace, tmp_path: Path
) -> None:
    """The rating is written: an answer that says otherwise would be wrong."""
    (tmp_path / "audit.jsonl").mkdir()
    rating = {"userId": 1, "movieId": 31, "rating": 4}
    assert api.client.post("/v1/ratings", json=rating).status_code == 202


def test_pages_of_other_origins_are_allowed_by_name(api: SimpleNamespace) -> None:
    """Those that are named, and no others; what a browser asks first needs no key."""
    ours, other = "https://films.example", "https://evil.example"
    app = create_app(api.service, origins=[ours])
    client = app.test_client()
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    for origin, allowed in ((ours, ours), (other, None)):
        preflight = client.options("/v1/ratings", headers={"Origin": origin, **asked})
        assert preflight.status_code == 200
        answer = client.get("/v1/items", headers={"Origin": origin})
        for each in (preflight, answer):
            assert each.headers.get("Access-Control-Allow-Origin") == allowed
    entrance = create_entrance(app)
    body = json.dumps({"userId": 1, "movieId": 31}).encode()
    for _ in range(2):
        quick = asyncio.run(send(entrance, "POST", "/predict_regression", [body], {"origin": ours}))
        assert quick.headers["Access-Control-Allow-Origin"] == ours
    entrance.close()
    plain = api.client.get("/v1/items", headers={"Origin": ours})
    assert "Access-Control-Allow-Origin" not in plain.headers


def test_an_admin_erases_a_user_and_the_audit_log_says_whom(
    api: SimpleNamespace, tmp_path: Path, key_of: dict[Scope | None, str | None]
) -> None:
    """At once, also ratings whose clock was ahead; whoever asks after the token sees nobody."""
    ahead = {"userId": 1, "movieId": 7, "rating": 5, "timestamp": int(time.time()) + 3000}
    api.updates.start()
    token = api.client.post("/v1/ratings", json=ahead).json["token"]
    before = api.client.get(f"/v1/users/1?after={token}&timeout=10").json
    assert before["total"] == 2
    assert api.client.delete("/v1/users/1").status_code == 401
    answer = api.client.delete("/v1/users/1", headers=bearer(key_of[Scope.ADMIN]))
    assert (answer.status_code, answer.json["userId"]) == (202, 1)
    assert answer.json["erased_at"] >= ahead["timestamp"]
    after = api.client.get(f"/v1/users/1?after={answer.json['token']}&timeout=10").json
    assert (after["total"], after["known_user"]) == (0, False)
    api.updates.close()
    last = audited(tmp_path)[-1]
    assert (last["who"], last["action"]) == ("admin", "DELETE /v1/users/{userId}")
    assert last["answer"] == answer.json
