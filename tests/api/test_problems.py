"""Whatever goes wrong is a problem document, and what goes right is safe to open."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from reelstream.api.app import MAX_BODY_BYTES
from reelstream.api.problems import MAX_ERRORS
from reelstream.contract import PROBLEMS_PATH, ProblemType

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("method", "path", "data", "content_type", "status"),
    [
        ("GET", "/nothing", None, None, 404),
        ("GET", "/v1/items/1/2", None, None, 404),
        ("DELETE", "/v1/items", None, None, 405),
        ("PUT", "/predict_regression", "{}", "application/json", 405),
        ("POST", "/predict_regression", "{", "application/json", 400),
        ("POST", "/predict_regression", "", "application/json", 400),
        ("POST", "/predict_regression", b"\xff\xfe", "application/json", 400),
        ("POST", "/predict_regression", '{"userId":NaN}', "application/json", 400),
        ("POST", "/predict_regression", "[" * 100_000, "application/json", 400),
        ("POST", "/predict_regression", "userId=1", "application/x-www-form-urlencoded", 415),
        ("POST", "/predict_regression", '{"userId":1}', None, 415),
        ("POST", "/predict_regression", b" " * (MAX_BODY_BYTES + 1), "application/json", 413),
        ("POST", "/predict_regression", "{}", "application/json", 422),
        ("GET", "/predict_regression", None, None, 422),
    ],
)
def test_every_failure_is_a_problem(
    client: FlaskClient,
    method: str,
    path: str,
    data: str | bytes | None,
    content_type: str | None,
    status: int,
) -> None:
    """Status in the body and in the header, a title, and a sentence; never HTML."""
    response = client.open(path, method=method, data=data, content_type=content_type)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert response.json["status"] == status
    assert response.json["title"] and response.json["detail"]
    assert "<" not in response.text
    (known,) = [each for each in ProblemType if each.uri == response.json["type"]]
    assert known.status == status


def test_every_type_is_explained_and_every_explanation_is_of_a_type(client: FlaskClient) -> None:
    """The page under the path that the types name; and the same in the documentation."""
    slugs = [each.slug for each in ProblemType]
    served = client.get(PROBLEMS_PATH)
    assert re.findall(r'<section id="([^"]*)">', served.text) == slugs
    assert "`" not in served.text
    written = (ROOT / "docs" / "problems.md").read_text("utf-8")
    assert written == runpy.run_path(str(ROOT / "tools" / "problem_types.py"))["page"]()
    assert re.findall("^## (.*)$", written, re.MULTILINE) == slugs


def test_every_type_is_of_a_problem_that_the_code_answers() -> None:
    """None is left of what was taken away."""
    folder = ROOT / "src" / "reelstream" / "api"
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    used = set(re.findall(r"ProblemType\.([A-Z_]+)", source))
    assert used == {each.name for each in ProblemType}


def test_a_method_that_is_not_taken_names_those_that_are(client: FlaskClient) -> None:
    """In the Allow header."""
    assert "GET" in client.delete("/v1/items").headers["Allow"]


def test_a_bug_is_answered_without_its_trace(api: SimpleNamespace) -> None:
    """The log has it; the client does not."""
    api.registry.sets[2].knows = None
    response = api.client.get("/predict_regression?userId=1&movieId=31")
    assert response.status_code == 500 and response.mimetype == "application/problem+json"
    assert "NoneType" not in response.text and "Traceback" not in response.text


def test_every_answer_is_safe_to_open(client: FlaskClient) -> None:
    """Not guessed at, not framed, not kept by others."""
    for path in ("/docs", "/v1/items", "/nothing", "/metrics"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] in ("no-store", "private, no-cache")


def test_the_docs_show_every_operation_and_need_nobody_else(client: FlaskClient) -> None:
    """No address but our own, and curl commands with bodies that are understood."""
    page, document = client.get("/docs").text, client.get("/openapi.json").json
    for path, methods in document["paths"].items():
        assert path in page
        for operation in methods.values():
            assert operation["operationId"] in page
    assert "http" not in page.replace("http://localhost", "")
    assert "/docs/static/docs.css" in page
    style = client.get("/docs/static/docs.css")
    assert style.status_code == 200 and style.mimetype == "text/css"
    assert client.get("/").headers["Location"] == "/docs"
    assert json.dumps({"userId": 1, "movieId": 31}).replace('"', "&#34;") in page


def test_of_very_many_errors_a_few_are_listed(client: FlaskClient) -> None:
    """A body of nothing but mistakes is answered in a moment, with what a person can read."""
    body = {"userId": 1, "movieId": 31} | {f"field{n}": n for n in range(5000)}
    answer = client.post("/predict_regression", json=body)
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == MAX_ERRORS
    assert answer.json["detail"].endswith(f"and {5000 - MAX_ERRORS} more")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:5000", 200),
        ("127.0.0.1:8501", 200),
        ("[::1]:5000", 200),
        ("evil.example", 421),
        ("localhost.evil.example:5000", 421),
        ("", 421),
    ],
)
def test_no_web_page_reaches_a_local_server_under_a_name_of_its_own(
    client: FlaskClient, host: str, status: int
) -> None:
    """Whatever path is asked for."""
    for path in ("/v1/items", "/metrics", "/docs"):
        assert client.get(path, headers={"Host": host}).status_code == status
