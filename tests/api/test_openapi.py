"""The OpenAPI document: true of everything that the server does."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import schemathesis
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

EXAMPLES_AN_OPERATION = 25

schema = schemathesis.pytest.from_fixture("described")


@pytest.fixture
def described(api: SimpleNamespace) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_wsgi("/openapi.json", api.app, config=SchemathesisConfig())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES_AN_OPERATION,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_the_document_says(case: schemathesis.Case) -> None:
    """No server error and no answer beside the schema, whatever is asked: right questions and wrong ones."""
    case.call_and_validate()


def test_the_document_names_everything_once(client: FlaskClient) -> None:
    """Every reference is there, and operation ids are unique."""
    document = client.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    text = client.get("/openapi.json").text
    for name in set(part.split('"')[0] for part in text.split("#/components/schemas/")[1:]):
        assert name in document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert {"200", "default"} <= operation["responses"].keys()
