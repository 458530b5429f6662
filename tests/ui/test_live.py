"""*Live*: the stream's counts, its time line and the learning curve."""

from __future__ import annotations

import pytest
from fake_api import FakeApi, Served
from streamlit.testing.v1 import AppTest
from views import metrics, view, with_tables, words

from reelstream.client import Client
from reelstream.ui.charts.timeline import marks_of
from reelstream.ui.stream_samples import MAX_SAMPLES, Sample, StreamSamples
from reelstream.ui.words import Words


@pytest.fixture
def app(served: Served) -> AppTest:
    return view("live")


def sample(at: float, **changed: object) -> Sample:
    counts: dict[str, object] = {
        "end": 0,
        "batches": 1,
        "serving": 1,
    }
    return Sample(at=at, **(counts | changed))  # type: ignore[arg-type]


def test_the_stream_is_counted(app: AppTest) -> None:
    """Log, batches, what waits, and the set in service with its age."""
    app.run()
    assert metrics(app)["Messages in the log"] == "5,000"
    assert metrics(app)["Waiting for a batch"] == "1,000"
    assert metrics(app)["Model set in service"] == "3"
    [set_in_service] = [metric for metric in app.metric if metric.label == "Model set in service"]
    assert set_in_service.delta == "for 1 min"


def test_nothing_waits_while_the_batches_are_ahead_of_what_is_known_of_the_log(
    app: AppTest, api: FakeApi
) -> None:
    """The server looks at files more often than it asks for the log's end."""
    api.log_end = 3990
    app.run()
    assert metrics(app)["Waiting for a batch"] == "0"


def test_the_record_by_batch_and_in_a_moving_window(app: AppTest) -> None:
    """Whichever score is chosen; nothing fails where a batch was too short for a window."""
    app.run()
    assert "lower is better" in words(app)
    app.button_group(key="along").set_value("batch").run()
    app.button_group(key="score").set_value("auc").run()
    assert not app.exception
    assert "higher is better" in words(app)
    with_tables(app, "How good the answers were, before each rating was learned")
    assert list(app.table[-1].value["Mean of all ratings"]) == ["0.600"] * 3


def test_what_is_known_is_not_asked_again(app: AppTest, api: FakeApi) -> None:
    """A look at the stream asks for status and newest events alone while no set is added."""
    app.run()
    del api.requests[:]
    app.run()
    assert api.requests == ["GET /v1/status", "GET /v1/events?limit=10"]


def test_ratings_pass_by_with_what_was_expected_of_them(app: AppTest) -> None:
    """The newest event first; a rating's title, stars and the prediction before it was known."""
    app.run()
    assert r"The Matrix **4.5 ★** :gray[expected 3.6 ± 0.8]" in words(app)
    assert "**Batch 3 closed with 4,000 ratings**" in words(app)
    assert words(app).index("Batch 3 closed") < words(app).index("The Matrix")


def test_what_happened_is_marked(served: Served) -> None:
    """A batch and a change of the set that were seen, and the gate's verdicts of the last ten
    minutes.
    """
    made = 1_700_000_000
    sets = Client(served.url).model_sets().model_sets
    seen = [sample(made), sample(made + 2, batches=2), sample(made + 4, batches=2, serving=3)]
    assert [(mark.at - made, mark.kind) for mark in marks_of(Words("en"), seen, sets)] == [
        (0, "accepted"),
        (0, "refused"),
        (0, "accepted"),
        (2, "batch"),
        (4, "service"),
    ]
    late = [sample(made + 2000), sample(made + 2002)]
    assert marks_of(Words("en"), late, sets) == []


def test_samples_are_bounded(served: Served) -> None:
    """An open page keeps a fixed number of samples, however long it is open."""
    seconds = iter(range(2 * MAX_SAMPLES))
    samples, status = StreamSamples(clock=lambda: next(seconds)), Client(served.url).status()
    for _ in range(2 * MAX_SAMPLES):
        samples.add(status)
    kept = samples.all()
    assert (len(kept), kept[-1].at) == (MAX_SAMPLES, 2 * MAX_SAMPLES - 1)
