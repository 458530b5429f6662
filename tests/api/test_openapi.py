"""The OpenAPI document: true of everything that the server does."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

from reelstream.api.idempotency import HEADER
from reelstream.storage.api_keys import Scope

EXAMPLES_AN_OPERATION = 10
SEQUENCES = 15
REQUESTS_A_SEQUENCE = 8


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_are_as_the_document_says(
    api: SimpleNamespace, mode: GenerationMode, request: pytest.FixtureRequest
) -> None:
    """No server error and no answer beside the schema, whatever is asked: valid queries and invalid
    ones.
    """
    # Else a read of a valid token would wait for a log that nobody follows.
    api.updates.start()
    request.addfinalizer(api.updates.close)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", api.app)
    checks = schema.config.checks
    for check in (checks.negative_data_rejection, checks.positive_data_acceptance):
        # what is too long is refused before it is read
        check.expected_statuses = [*check.expected_statuses, "413"]
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not (
            operation.query or operation.path_parameters or operation.body
        ):
            continue  # nothing can be asked wrongly

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES_AN_OPERATION,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: schemathesis.Case) -> None:
            asked.add(case.operation.label)
            # What the document cannot say: which genres there are, that columns have one length,
            # and of what writes, the stream's scale, and that a key belongs to one request.
            beyond = any(name in case.operation.label for name in ("/items", "/infer"))
            writes = HEADER in {each.name for each in case.operation.headers}
            excluded = [positive_data_acceptance] if beyond or writes else []
            # These sets cannot recommend, and say so with a 503.
            cannot = ("recommendations", "questions", "similar")
            if any(name in case.operation.label for name in cannot):
                excluded = [positive_data_acceptance, not_a_server_error]
            case.call_and_validate(excluded_checks=excluded)

        ask()
    assert len(asked) >= 10


@pytest.mark.slow
def test_sequences_of_requests_are_answered_as_the_document_says(
    api: SimpleNamespace, request: pytest.FixtureRequest
) -> None:
    """One request goes on with what another was answered: what was written is read, deleted and
    erased.
    """
    api.updates.start()
    request.addfinalizer(api.updates.close)
    key = api.service.access.keys.create("all", Scope)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", api.app)
    # These sets cannot recommend, and say so with a 503.
    found = schema.exclude(path_regex="recommendations|questions|similar|infer")

    checks = schema.config.checks
    # A valid key is sent each time, and what the document cannot say of valid queries is beyond it.
    for check in (
        checks.ignored_auth,
        checks.positive_data_acceptance,
        checks.negative_data_rejection,
        # A user who was erased is one whom nobody knows, and any such user is answered.
        checks.use_after_free,
    ):
        check.enabled = False

    class Machine(found.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {key}"}}

    Machine.run(
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=REQUESTS_A_SEQUENCE,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
    )


def test_lists_are_paged_by_one_convention(client: FlaskClient) -> None:
    """What takes an offset takes a limit too, and answers the next offset; what takes a limit also
    calls it n, but not both.
    """
    document = client.get("/openapi.json").json
    schemas, lists = document["components"]["schemas"], 0
    for path, methods in document["paths"].items():
        operation = methods.get("get", {})
        names = {each["name"] for each in operation.get("parameters", ())}
        assert "n" not in names, path
        if "offset" in names:
            answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert "next" in schemas[answer["$ref"].rpartition("/")[2]]["properties"], path
            assert "limit" in names, path
        if "limit" in names:
            lists += 1
            url = re.sub("{.*?}", "1", path)
            wrong, both = (client.get(f"{url}?{said}") for said in ("n=0", "n=2&limit=2"))
            assert wrong.status_code == 422 and "greater than" in wrong.json["detail"]
            assert both.status_code == 422 and "Extra inputs" in both.json["detail"]
    assert lists >= 10


def test_the_document_names_everything_once(client: FlaskClient) -> None:
    """Every reference is there, and operation ids are unique."""
    response = client.get("/openapi.json")
    assert response.json["openapi"].startswith("3.1")
    operations = [
        operation for methods in response.json["paths"].values() for operation in methods.values()
    ]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert (
        set(re.findall(r"#/components/schemas/(\w+)", response.text))
        <= response.json["components"]["schemas"].keys()
    )
    for operation in operations:
        answers = operation["responses"].keys()
        assert "default" in answers and answers & {"200", "202"}
